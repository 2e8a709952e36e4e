/** A TCP port of the host, on loopback only, for debuggers. Part of the door to the host. */
import { createServer, type Socket } from 'node:net';

export interface Connection {
  send(bytes: Uint8Array): void;
  /** Ends it once what was sent is out. */
  close(): void;
}

/** What the kernel does with a connection. */
export interface Peer {
  received(bytes: Uint8Array): void;
  /** Called once, whoever ended it. */
  closed(): void;
}

export interface Listener {
  readonly port: number;
  close(): void;
}

const LOOPBACK = '127.0.0.1';
/** Bytes that wait for a peer that does not read; then it is cut off. */
const MAX_BACKLOG = 16 << 20;

/**
 * Listens.
 * @param port 0: any that is free
 * @param accept null: no more connections are wanted now
 * @throws Error of Node: EADDRINUSE, EACCES …
 */
export function listen(port: number, accept: (connection: Connection) => Peer | null): Promise<Listener> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    // What is wrong with the connection shows as its end.
    socket.on('error', () => {});
    const connection: Connection = {
      send: (bytes) => {
        if (socket.destroyed) return;
        socket.write(bytes);
        if (socket.writableLength > MAX_BACKLOG) socket.destroy();
      },
      close: () => socket.end(),
    };
    const peer = accept(connection);
    if (peer === null) {
      sockets.delete(socket);
      socket.destroy();
      return;
    }
    socket.on('data', (bytes) => peer.received(bytes));
    socket.on('close', () => {
      sockets.delete(socket);
      peer.closed();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject);
      const address = server.address();
      resolve({
        port: address !== null && typeof address === 'object' ? address.port : port,
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}
