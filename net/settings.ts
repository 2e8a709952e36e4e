/** Settings of a network namespace: what /proc/sys/net says of sockets, and what a new namespace begins with. */

/** /proc/sys/net/core/[rw]mem_*: bytes. The figures of Linux on a machine of this size. One set for all namespaces. */
export interface BufferSettings {
  sendBufferDefault: number;
  sendBufferMax: number;
  receiveBufferDefault: number;
  receiveBufferMax: number;
}

export const defaultBuffers = (): BufferSettings => ({
  sendBufferDefault: 212_992,
  sendBufferMax: 4_194_304,
  receiveBufferDefault: 212_992,
  receiveBufferMax: 4_194_304,
});

/** What each network namespace sets for itself. */
export interface NetSettings {
  readonly buffers: BufferSettings;
  /** /proc/sys/net/core: connections. */
  somaxconn: number;
  /** Bytes of control data of one message. */
  optmemMax: number;
  /** /proc/sys/net/unix/max_dgram_qlen */
  maxDatagrams: number;
}

/** Of a new namespace, whatever the others have. */
export const defaultSettings = (buffers: BufferSettings): NetSettings => ({
  buffers,
  somaxconn: 4096,
  optmemMax: 131_072,
  maxDatagrams: 10,
});
