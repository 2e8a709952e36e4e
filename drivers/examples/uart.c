/*
 * Serial lines: /dev/ttyB0 to /dev/ttyB3 are two pairs, the lines of each joined by a null-modem cable: what is written to
 * one is read from the other, at the speed that the sender has set. DTR of one is carrier (CAR) and DSR of the other, RTS is
 * CTS. A line whose carrier goes is hung up, unless CLOCAL is set. TIOCM_LOOP joins a line with itself instead.
 *
 *   getty-like:  setsid -c sh < /dev/ttyB1 > /dev/ttyB1 2>&1 &    then talk to it through /dev/ttyB0
 */
#include <banos/banos.h>

#define LINES 4
#define FIFO_SIZE 4096
#define TICK 1000000ull
#define TICKS_PER_SECOND 1000
#define BITS_PER_BYTE 10

/* Bytes sent and received so far. */
#define UART_GET_COUNTS BANOS_IOR('U', 1, struct uart_counts)

struct uart_counts {
	banos_u64 sent;
	banos_u64 received;
};

struct uart {
	struct banos_tty *tty;
	struct banos_timer timer;
	struct uart_counts counts;
	/* Of its own modem lines, DTR, RTS and LOOP. */
	banos_u32 bits;
	banos_u32 cflag;
	banos_u32 speed;
	/* Thousandths of bytes that may be sent. */
	banos_u32 credit;
	int is_open;
	int is_running;
	int is_stopped;
	int is_throttled;
	banos_u32 start;
	banos_u32 length;
	char fifo[FIFO_SIZE];
};

static struct uart uarts[LINES];

static struct uart *uart_of(struct banos_tty *tty)
{
	struct uart *uart = &uarts[tty->line];

	uart->tty = tty;
	return uart;
}

static int number_of(struct uart *uart)
{
	return uart - uarts;
}

/* Where its bytes go, and its modem lines lead. */
static struct uart *peer_of(struct uart *uart)
{
	return uart->bits & BANOS_TIOCM_LOOP ? uart : &uarts[number_of(uart) ^ 1];
}

static banos_u32 seen_bits(struct uart *uart)
{
	banos_u32 other = peer_of(uart)->bits;
	banos_u32 seen = uart->bits;

	if (other & BANOS_TIOCM_DTR)
		seen |= BANOS_TIOCM_CAR | BANOS_TIOCM_DSR;
	if (other & BANOS_TIOCM_RTS)
		seen |= BANOS_TIOCM_CTS;
	return seen;
}

static void set_bits(struct uart *uart, banos_u32 bits)
{
	struct uart *other = &uarts[number_of(uart) ^ 1];
	banos_u32 before = seen_bits(other);

	uart->bits = bits;
	if ((before & ~seen_bits(other) & BANOS_TIOCM_CAR) && other->is_open && !(other->cflag & BANOS_CLOCAL))
		banos_tty_hangup(other->tty);
}

static void run(struct uart *uart)
{
	if (uart->is_running || uart->is_stopped || uart->length == 0 || peer_of(uart)->is_throttled)
		return;
	uart->is_running = 1;
	banos_timer_start(&uart->timer, TICK);
}

static void deliver(struct uart *uart, const char *bytes, banos_u32 count)
{
	if (!uart->is_open)
		return;
	uart->counts.received += banos_tty_insert(uart->tty, bytes, count);
}

/* What the speed lets through in a tick goes out. */
static void tick(void *argument)
{
	struct uart *uart = argument;
	struct uart *peer = peer_of(uart);
	banos_u32 sent = 0;

	uart->is_running = 0;
	if (uart->is_stopped)
		return;
	uart->credit += uart->speed / BITS_PER_BYTE * 1000ull / TICKS_PER_SECOND;
	while (uart->length > 0 && uart->credit >= 1000 && !peer->is_throttled) {
		banos_u32 piece = FIFO_SIZE - uart->start;

		if (piece > uart->length)
			piece = uart->length;
		if (piece > uart->credit / 1000)
			piece = uart->credit / 1000;
		deliver(peer, uart->fifo + uart->start, piece);
		uart->start = (uart->start + piece) % FIFO_SIZE;
		uart->length -= piece;
		uart->credit -= piece * 1000;
		sent += piece;
	}
	uart->counts.sent += sent;
	if (uart->length == 0)
		uart->credit = 0;
	if (sent > 0 && uart->is_open)
		banos_tty_write_ready(uart->tty);
	run(uart);
}

static long uart_open(struct banos_tty *tty)
{
	struct uart *uart = uart_of(tty);

	uart->is_open = 1;
	uart->is_stopped = 0;
	uart->is_throttled = 0;
	set_bits(uart, (uart->bits & BANOS_TIOCM_LOOP) | BANOS_TIOCM_DTR | BANOS_TIOCM_RTS);
	return 0;
}

/* What is in the FIFO goes out still. */
static void uart_close(struct banos_tty *tty)
{
	struct uart *uart = uart_of(tty);

	uart->is_open = 0;
	uart->is_throttled = 0;
	if (uart->cflag & BANOS_HUPCL)
		set_bits(uart, 0);
	run(&uarts[number_of(uart) ^ 1]);
}

static long uart_write(struct banos_tty *tty, const char *bytes, size_t count)
{
	struct uart *uart = uart_of(tty);
	banos_u32 done = 0;

	while (done < count && uart->length < FIFO_SIZE) {
		banos_u32 end = (uart->start + uart->length) % FIFO_SIZE;
		banos_u32 piece = end < uart->start ? uart->start - end : FIFO_SIZE - end;

		if (piece > count - done)
			piece = count - done;
		memcpy(uart->fifo + end, bytes + done, piece);
		uart->length += piece;
		done += piece;
	}
	run(uart);
	return done;
}

static long uart_write_room(struct banos_tty *tty)
{
	return FIFO_SIZE - uart_of(tty)->length;
}

static long uart_chars_in_buffer(struct banos_tty *tty)
{
	return uart_of(tty)->length;
}

static void uart_flush_buffer(struct banos_tty *tty)
{
	uart_of(tty)->length = 0;
	banos_tty_write_ready(tty);
}

static void uart_set_termios(struct banos_tty *tty, const struct banos_termios *now, const struct banos_termios *old)
{
	struct uart *uart = uart_of(tty);

	uart->cflag = now->cflag;
	uart->speed = now->ospeed > 4000000 ? 4000000 : now->ospeed;
	if (now->ospeed == 0)
		set_bits(uart, uart->bits & ~(BANOS_TIOCM_DTR | BANOS_TIOCM_RTS));
	else if (old && old->ospeed == 0)
		set_bits(uart, uart->bits | BANOS_TIOCM_DTR | BANOS_TIOCM_RTS);
}

static void uart_throttle(struct banos_tty *tty)
{
	uart_of(tty)->is_throttled = 1;
}

static void uart_unthrottle(struct banos_tty *tty)
{
	struct uart *uart = uart_of(tty);

	uart->is_throttled = 0;
	run(peer_of(uart));
}

static void uart_stop(struct banos_tty *tty)
{
	uart_of(tty)->is_stopped = 1;
}

static void uart_start(struct banos_tty *tty)
{
	struct uart *uart = uart_of(tty);

	uart->is_stopped = 0;
	run(uart);
}

static void uart_hangup(struct banos_tty *tty)
{
	struct uart *uart = uart_of(tty);

	uart->is_throttled = 0;
	uart->is_stopped = 0;
	run(peer_of(uart));
}

/* A receiver that does not know breaks sees a zero. */
static long uart_break(struct banos_tty *tty, int duration)
{
	if (duration != 0)
		deliver(peer_of(uart_of(tty)), "", 1);
	return 0;
}

static long uart_get_bits(struct banos_tty *tty)
{
	return seen_bits(uart_of(tty));
}

static long uart_set_bits(struct banos_tty *tty, banos_u32 set, banos_u32 clear)
{
	struct uart *uart = uart_of(tty);
	banos_u32 mine = BANOS_TIOCM_DTR | BANOS_TIOCM_RTS | BANOS_TIOCM_LOOP;

	set_bits(uart, ((uart->bits & ~clear) | set) & mine);
	run(uart);
	return 0;
}

static long uart_ioctl(struct banos_tty *tty, banos_u32 request, unsigned long argument)
{
	struct uart *uart = uart_of(tty);

	if (request != UART_GET_COUNTS)
		return -BANOS_ENOTTY;
	return banos_copy_to_user((void *)argument, &uart->counts, sizeof(uart->counts)) ? -BANOS_EFAULT : 0;
}

static const struct banos_tty_ops operations = {
	.size = sizeof(operations),
	.open = uart_open,
	.close = uart_close,
	.write = uart_write,
	.write_room = uart_write_room,
	.chars_in_buffer = uart_chars_in_buffer,
	.flush_buffer = uart_flush_buffer,
	.set_termios = uart_set_termios,
	.throttle = uart_throttle,
	.unthrottle = uart_unthrottle,
	.stop = uart_stop,
	.start = uart_start,
	.hangup = uart_hangup,
	.break_ctl = uart_break,
	.tiocmget = uart_get_bits,
	.tiocmset = uart_set_bits,
	.ioctl = uart_ioctl,
};

static const struct banos_tty_driver lines = {
	.size = sizeof(lines),
	.lines = LINES,
	.name = "ttyB",
	.mode = 0660,
	.ops = &operations,
};

static int uart_init(Banos_Driver *driver)
{
	long result;

	(void)driver;
	for (int i = 0; i < LINES; i++)
		banos_timer_setup(&uarts[i].timer, tick, &uarts[i]);
	result = banos_tty_register(&lines);
	return result < 0 ? result : 0;
}

static int uart_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("uart", "MIT", BANOS_VERSION_WORD(1, 0, 0), uart_init, uart_uninit);
