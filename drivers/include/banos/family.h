/*
 * Address families: socket(2) of a number that no family has reaches the driver.
 *
 * Operations never sleep. What would have to wait answers -BANOS_EAGAIN; the kernel then waits, or not, as the program wants
 * it (O_NONBLOCK, MSG_DONTWAIT, SO_RCVTIMEO, signals), and asks again when the driver has called banos_socket_notify.
 * While there are sockets the driver cannot be unloaded.
 */
#ifndef BANOS_FAMILY_H
#define BANOS_FAMILY_H

#include <banos/chrdev.h>
#include <banos/types.h>

BANOS_BEGIN

/* Types of sockets. Of a stream the kernel sends and receives in as many pieces as it takes. */
#define BANOS_SOCK_STREAM 1
#define BANOS_SOCK_DGRAM 2
#define BANOS_SOCK_RAW 3
#define BANOS_SOCK_SEQPACKET 5

#define BANOS_MSG_OOB 0x1
#define BANOS_MSG_PEEK 0x2
#define BANOS_MSG_TRUNC 0x20
#define BANOS_MSG_DONTWAIT 0x40
#define BANOS_MSG_EOR 0x80
#define BANOS_MSG_WAITALL 0x100

/* Longest address; there is always room for it. */
#define BANOS_SOCKADDR_MAX 128

struct banos_socket {
	/* sizeof(struct banos_socket) of the kernel */
	banos_u32 size;
	int family;
	int type;
	int protocol;
	/* The driver's own. */
	void *data;
	banos_u64 reserved;
};

struct banos_message {
	banos_u32 size;
	/* BANOS_MSG_*; recvmsg sets BANOS_MSG_TRUNC when the message was longer than the room for it. */
	banos_u32 flags;
	/* sendmsg: where to, NULL for the peer. recvmsg: room for the sender's address, which sets name_length. */
	void *name;
	banos_u32 name_length;
	banos_u32 reserved;
	/* recvmsg: bytes of the whole message, when it is longer than what was moved. */
	banos_u64 length;
};

struct banos_option {
	banos_u32 size;
	int level;
	int name;
	/* setsockopt: bytes that are there, 64 at most; getsockopt: room, and then the bytes of the value. */
	banos_u32 length;
	void *value;
	banos_u64 reserved;
};

/* An operation that is NULL is not supported; without poll a socket is always ready. All but release may be refused. */
struct banos_family_ops {
	/* sizeof(struct banos_family_ops) */
	banos_u32 size;
	banos_u32 flags;
	/* socket->type and socket->protocol are to be looked at. */
	long (*create)(struct banos_socket *socket);
	/* The last descriptor is closed. */
	long (*release)(struct banos_socket *socket);
	long (*bind)(struct banos_socket *socket, const void *address, size_t length);
	long (*connect)(struct banos_socket *socket, const void *address, size_t length);
	long (*listen)(struct banos_socket *socket, int backlog);
	/* Makes `connection`, which create has not seen, the end of the first connection that waits. */
	long (*accept)(struct banos_socket *socket, struct banos_socket *connection);
	/* Writes its own address, or the peer's. Returns its length. */
	long (*getname)(struct banos_socket *socket, int peer, void *address);
	/* Return bytes moved. */
	long (*sendmsg)(struct banos_socket *socket, struct banos_iter *from, struct banos_message *message);
	long (*recvmsg)(struct banos_socket *socket, struct banos_iter *to, struct banos_message *message);
	/* 0: no more reading, 1: no more writing, 2: both. */
	long (*shutdown)(struct banos_socket *socket, int how);
	long (*ioctl)(struct banos_socket *socket, banos_u32 request, unsigned long argument);
	/* Options of other levels than SOL_SOCKET. */
	long (*setsockopt)(struct banos_socket *socket, const struct banos_option *option);
	long (*getsockopt)(struct banos_socket *socket, struct banos_option *option);
	/* BANOS_POLL*: what is ready. Changes nothing. */
	long (*poll)(struct banos_socket *socket);
	/* Connects two new sockets. */
	long (*socketpair)(struct banos_socket *first, struct banos_socket *second);
};

struct banos_family {
	/* sizeof(struct banos_family) */
	banos_u32 size;
	/* AF_*, 1 to 45. */
	int family;
	const char *name;
	const struct banos_family_ops *ops;
};

/* 0; -EINVAL; -EEXIST when somebody has the number. */
long banos_register_family(const struct banos_family *family);
/* 0; -ENOENT; -EBUSY while there are sockets. */
long banos_unregister_family(int family);

/* What poll answers may have changed: wakes those who wait, and those who poll. */
void banos_socket_notify(struct banos_socket *socket, banos_u32 mask);
/* The next call on the socket answers `error`, a negative number. */
void banos_socket_error(struct banos_socket *socket, int error);

BANOS_END

#endif
