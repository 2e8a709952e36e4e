/*
 * A packet address family: datagrams between numbered ports of this machine. Whatever goes to port 7 comes back. A port's queue
 * has a limit; senders wait until there is room, or are told that there is none. A socket that sends without a port gets one.
 * The family is 19, which was Acorn's Econet and is nobody's now.
 *
 *   struct sockaddr_echo { unsigned short family, port; };
 */
#include <banos/banos.h>

#define AF_ECHO 19
#define FIRST_AUTOMATIC 32768
#define PORTS 65536
#define ECHO_PORT 7
#define MAX_MESSAGE 8192
#define DEFAULT_LIMIT 16

/* Level and names of options: datagrams that a queue holds (1 to 1024); datagrams that came and were lost (reading only). */
#define SOL_ECHO 280
#define ECHO_QUEUE_LIMIT 1
#define ECHO_RECEIVED 2
/* Bytes of the next datagram, as for udp(7). */
#define FIONREAD 0x541b

struct address {
	banos_u16 family;
	banos_u16 port;
};

struct packet {
	struct packet *next;
	banos_u32 length;
	banos_u16 from;
	char bytes[];
};

struct endpoint {
	struct banos_socket *socket;
	struct endpoint *next;
	struct packet *first;
	struct packet *last;
	banos_u32 queued;
	banos_u32 limit;
	banos_u64 received;
	/* 0: none. */
	banos_u16 port;
	banos_u16 peer;
	/* Port whose full queue a send has met. */
	banos_u16 stalled_at;
	banos_u8 no_reading;
	banos_u8 no_writing;
};

static struct endpoint *endpoints;

static struct endpoint *of(struct banos_socket *socket)
{
	return socket->data;
}

static struct endpoint *at_port(banos_u16 port)
{
	for (struct endpoint *one = endpoints; one != NULL; one = one->next)
		if (one->port == port && port != 0)
			return one;
	return NULL;
}

static int is_full(const struct endpoint *one)
{
	return one->queued >= one->limit;
}

/* Where what is sent to a port goes: the echo port has no queue of its own. */
static struct endpoint *receiver_of(struct endpoint *sender, banos_u16 port)
{
	return port == ECHO_PORT ? sender : at_port(port);
}

static long read_address(const void *address, size_t length, banos_u16 *port)
{
	const struct address *given = address;

	if (length < sizeof *given)
		return -BANOS_EINVAL;
	if (given->family != AF_ECHO)
		return -BANOS_EAFNOSUPPORT;
	*port = given->port;
	return 0;
}

static long write_address(void *to, banos_u16 port)
{
	struct address *address = to;

	address->family = AF_ECHO;
	address->port = port;
	return sizeof *address;
}

static long bind_automatically(struct endpoint *one)
{
	static banos_u32 next = FIRST_AUTOMATIC;

	if (one->port != 0)
		return 0;
	for (banos_u32 i = FIRST_AUTOMATIC; i < PORTS; i++) {
		banos_u16 port = next;

		next = next + 1 == PORTS ? FIRST_AUTOMATIC : next + 1;
		if (at_port(port) == NULL) {
			one->port = port;
			return 0;
		}
	}
	return -BANOS_EADDRINUSE;
}

static void drop_first(struct endpoint *one)
{
	struct packet *packet = one->first;

	one->first = packet->next;
	if (one->first == NULL)
		one->last = NULL;
	one->queued--;
	banos_kfree(packet);
}

/* There is room in a queue, or there never will be: whoever has met it full tries again. */
static void wake_senders(banos_u16 port)
{
	for (struct endpoint *one = endpoints; one != NULL; one = one->next)
		if (one->stalled_at == port && port != 0) {
			one->stalled_at = 0;
			banos_socket_notify(one->socket, BANOS_POLLOUT);
		}
}

static long echo_create(struct banos_socket *socket)
{
	struct endpoint *one;

	if (socket->type != BANOS_SOCK_DGRAM)
		return -BANOS_ESOCKTNOSUPPORT;
	if (socket->protocol != 0)
		return -BANOS_EPROTONOSUPPORT;
	one = banos_kzalloc(sizeof *one);
	if (one == NULL)
		return -BANOS_ENOMEM;
	one->socket = socket;
	one->limit = DEFAULT_LIMIT;
	one->next = endpoints;
	endpoints = one;
	socket->data = one;
	return 0;
}

static long echo_release(struct banos_socket *socket)
{
	struct endpoint *one = of(socket);
	struct endpoint **link = &endpoints;
	banos_u16 port = one->port;

	while (*link != one)
		link = &(*link)->next;
	*link = one->next;
	while (one->first != NULL)
		drop_first(one);
	banos_kfree(one);
	wake_senders(port);
	return 0;
}

static long echo_bind(struct banos_socket *socket, const void *address, size_t length)
{
	banos_u16 port;
	long result = read_address(address, length, &port);

	if (result != 0)
		return result;
	if (of(socket)->port != 0)
		return -BANOS_EINVAL;
	if (port == 0)
		return bind_automatically(of(socket));
	if (port == ECHO_PORT || at_port(port) != NULL)
		return -BANOS_EADDRINUSE;
	of(socket)->port = port;
	return 0;
}

static long echo_connect(struct banos_socket *socket, const void *address, size_t length)
{
	struct endpoint *one = of(socket);
	banos_u16 port;
	long result;

	if (length >= 2 && *(const banos_u16 *)address == 0) {
		one->peer = 0;
		return 0;
	}
	result = read_address(address, length, &port);
	if (result == 0)
		result = bind_automatically(one);
	if (result != 0)
		return result;
	if (receiver_of(one, port) == NULL)
		return -BANOS_ECONNREFUSED;
	one->peer = port;
	return 0;
}

static long echo_getname(struct banos_socket *socket, int peer, void *address)
{
	if (peer && of(socket)->peer == 0)
		return -BANOS_ENOTCONN;
	return write_address(address, peer ? of(socket)->peer : of(socket)->port);
}

static long echo_sendmsg(struct banos_socket *socket, struct banos_iter *from, struct banos_message *message)
{
	struct endpoint *one = of(socket);
	struct endpoint *to;
	struct packet *packet;
	banos_u16 port = one->peer;
	size_t length = banos_iter_count(from);
	long result;

	if (message->flags & BANOS_MSG_OOB)
		return -BANOS_EOPNOTSUPP;
	if (message->name != NULL) {
		result = read_address(message->name, message->name_length, &port);
		if (result != 0)
			return result;
	}
	if (one->no_writing)
		return -BANOS_EPIPE;
	if (port == 0)
		return -BANOS_EDESTADDRREQ;
	if (length > MAX_MESSAGE)
		return -BANOS_EMSGSIZE;
	result = bind_automatically(one);
	if (result != 0)
		return result;
	to = receiver_of(one, port);
	if (to == NULL || (to->peer != 0 && to->peer != one->port && to != one))
		return -BANOS_ECONNREFUSED;
	if (to->no_reading)
		return -BANOS_EPIPE;
	if (is_full(to)) {
		/* What is asked of the echo port stands in the own queue: nobody else makes room there. */
		one->stalled_at = to->port;
		return -BANOS_EAGAIN;
	}
	packet = banos_kmalloc(sizeof *packet + length);
	if (packet == NULL)
		return -BANOS_ENOBUFS;
	packet->next = NULL;
	packet->length = length;
	packet->from = port == ECHO_PORT ? ECHO_PORT : one->port;
	if (length > 0 && banos_copy_from_iter(packet->bytes, length, from) != (long)length) {
		banos_kfree(packet);
		return -BANOS_EFAULT;
	}
	if (to->last == NULL)
		to->first = packet;
	else
		to->last->next = packet;
	to->last = packet;
	to->queued++;
	to->received++;
	banos_socket_notify(to->socket, BANOS_POLLIN);
	return length;
}

static long echo_recvmsg(struct banos_socket *socket, struct banos_iter *to, struct banos_message *message)
{
	struct endpoint *one = of(socket);
	struct packet *packet = one->first;
	long moved = 0;
	int was_full = is_full(one);

	if (message->flags & BANOS_MSG_OOB)
		return -BANOS_EOPNOTSUPP;
	if (packet == NULL)
		return one->no_reading ? 0 : -BANOS_EAGAIN;
	if (packet->length > 0 && banos_iter_count(to) > 0) {
		moved = banos_copy_to_iter(packet->bytes, packet->length, to);
		if (moved < 0)
			return moved;
	}
	message->name_length = write_address(message->name, packet->from);
	message->length = packet->length;
	if (moved < packet->length)
		message->flags |= BANOS_MSG_TRUNC;
	else
		message->flags &= ~BANOS_MSG_TRUNC;
	if ((message->flags & BANOS_MSG_PEEK) == 0) {
		drop_first(one);
		if (was_full && !is_full(one))
			wake_senders(one->port);
	}
	return moved;
}

static long echo_shutdown(struct banos_socket *socket, int how)
{
	struct endpoint *one = of(socket);

	if (one->peer == 0)
		return -BANOS_ENOTCONN;
	if (how != 1)
		one->no_reading = 1;
	if (how != 0)
		one->no_writing = 1;
	banos_socket_notify(socket, BANOS_POLLIN | BANOS_POLLOUT | BANOS_POLLHUP);
	if (one->no_reading)
		wake_senders(one->port);
	return 0;
}

static long echo_ioctl(struct banos_socket *socket, banos_u32 request, unsigned long argument)
{
	const struct packet *first = of(socket)->first;
	int count = first == NULL ? 0 : first->length;

	if (request != FIONREAD)
		return -BANOS_ENOTTY;
	return banos_copy_to_user((void *)argument, &count, sizeof count) == 0 ? 0 : -BANOS_EFAULT;
}

static long echo_setsockopt(struct banos_socket *socket, const struct banos_option *option)
{
	int value;

	if (option->level != SOL_ECHO || option->name != ECHO_QUEUE_LIMIT)
		return -BANOS_ENOPROTOOPT;
	if (option->length < sizeof value)
		return -BANOS_EINVAL;
	value = *(const int *)option->value;
	if (value < 1 || value > 1024)
		return -BANOS_EINVAL;
	of(socket)->limit = value;
	wake_senders(of(socket)->port);
	return 0;
}

static long echo_getsockopt(struct banos_socket *socket, struct banos_option *option)
{
	if (option->level != SOL_ECHO)
		return -BANOS_ENOPROTOOPT;
	if (option->name == ECHO_QUEUE_LIMIT) {
		*(int *)option->value = of(socket)->limit;
		option->length = sizeof(int);
	} else if (option->name == ECHO_RECEIVED) {
		*(banos_u64 *)option->value = of(socket)->received;
		option->length = sizeof(banos_u64);
	} else
		return -BANOS_ENOPROTOOPT;
	return 0;
}

/* A socket that is connected is writable as its peer's queue is. Whoever polls is told when that changes. */
static long echo_poll(struct banos_socket *socket)
{
	struct endpoint *one = of(socket);
	struct endpoint *to = one->peer == 0 ? NULL : receiver_of(one, one->peer);
	long mask = 0;

	if (one->first != NULL || one->no_reading)
		mask |= BANOS_POLLIN;
	if (one->no_reading && one->no_writing)
		mask |= BANOS_POLLHUP;
	if (to == NULL || !is_full(to))
		mask |= BANOS_POLLOUT;
	else
		one->stalled_at = to->port;
	return mask;
}

static long echo_socketpair(struct banos_socket *first, struct banos_socket *second)
{
	long result = bind_automatically(of(first));

	if (result == 0)
		result = bind_automatically(of(second));
	of(first)->peer = of(second)->port;
	of(second)->peer = of(first)->port;
	return result;
}

static const struct banos_family_ops operations = {
	.size = sizeof operations,
	.create = echo_create,
	.release = echo_release,
	.bind = echo_bind,
	.connect = echo_connect,
	.getname = echo_getname,
	.sendmsg = echo_sendmsg,
	.recvmsg = echo_recvmsg,
	.shutdown = echo_shutdown,
	.ioctl = echo_ioctl,
	.setsockopt = echo_setsockopt,
	.getsockopt = echo_getsockopt,
	.poll = echo_poll,
	.socketpair = echo_socketpair,
};

static int init(Banos_Driver *driver)
{
	struct banos_family description = {
		.size = sizeof description,
		.family = AF_ECHO,
		.name = "echo",
		.ops = &operations,
	};

	(void)driver;
	return banos_register_family(&description);
}

static int uninit(Banos_Driver *driver)
{
	(void)driver;
	return banos_unregister_family(AF_ECHO);
}

BANOS_DRIVER("echo_packet", "MIT", BANOS_VERSION_WORD(1, 0, 0), init, uninit);
