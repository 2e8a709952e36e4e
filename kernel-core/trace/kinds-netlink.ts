/** Netlink in traces: protocols, options, addresses. What messages say: netlink-messages.ts. */
import * as netlink from '../../abi/netlink.js';
import { hex, type Names, namesOf } from './text.js';

export const NETLINK_PROTOCOLS: Names = namesOf(
  netlink,
  'NETLINK_ROUTE NETLINK_UNUSED NETLINK_USERSOCK NETLINK_FIREWALL NETLINK_SOCK_DIAG NETLINK_NFLOG NETLINK_XFRM NETLINK_SELINUX NETLINK_ISCSI NETLINK_AUDIT NETLINK_FIB_LOOKUP NETLINK_CONNECTOR NETLINK_NETFILTER NETLINK_IP6_FW NETLINK_DNRTMSG NETLINK_KOBJECT_UEVENT NETLINK_GENERIC NETLINK_SCSITRANSPORT NETLINK_ECRYPTFS NETLINK_RDMA NETLINK_CRYPTO NETLINK_SMC',
);

export const NETLINK_OPTIONS: Names = namesOf(
  netlink,
  'NETLINK_ADD_MEMBERSHIP NETLINK_DROP_MEMBERSHIP NETLINK_PKTINFO NETLINK_BROADCAST_ERROR NETLINK_NO_ENOBUFS NETLINK_RX_RING NETLINK_TX_RING NETLINK_LISTEN_ALL_NSID NETLINK_LIST_MEMBERSHIPS NETLINK_CAP_ACK NETLINK_EXT_ACK NETLINK_GET_STRICT_CHK',
);

/** Eight columns, of which zero has no sign that it is hexadecimal. */
const mask = (groups: number): string => (groups === 0 ? '00000000' : `0x${groups.toString(16).padStart(6, '0')}`);

/** The fields of a sockaddr_nl behind the family, null for bytes that are none. */
export function netlinkAddressText(bytes: Uint8Array): string | null {
  if (bytes.length < netlink.SOCKADDR_NL_SIZE) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const padding = view.getUint16(2, true);
  const shown = padding === 0 ? '' : `nl_pad=${hex(padding)}, `;
  const groups = mask(view.getUint32(netlink.NL_GROUPS, true));
  return `${shown}nl_pid=${view.getInt32(netlink.NL_PID, true)}, nl_groups=${groups}`;
}
