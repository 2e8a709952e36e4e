/** Exports for line disciplines. */
import type { KernelCall } from '../call.js';
import type { DriverDiscipline } from '../ldisc.js';
import type { ExportRow } from '../row.js';

/** The caller's discipline of the terminal at an address; undefined: there is none. */
function disciplineAt(call: KernelCall, address: number): DriverDiscipline | undefined {
  const discipline = call.kernel.drivers.disciplines.users.get(address);
  return discipline?.type.owner === call.owner ? discipline : undefined;
}

/** A handler that only asks the discipline of a struct banos_ldisc_tty, or tells it something. */
const ask =
  (name: string, act: (discipline: DriverDiscipline) => number): ExportRow['fn'] =>
  (call, tty) => {
    const discipline = disciplineAt(call, tty);
    return discipline === undefined ? call.bug(`${name} with a bad pointer`) : act(discipline);
  };

export const disciplineExports: readonly ExportRow[] = [
  {
    name: 'banos_register_ldisc',
    prototype: 'long banos_register_ldisc(const struct banos_ldisc *ldisc)',
    fn: (call, ldisc) => call.kernel.drivers.disciplines.register(call, ldisc),
  },
  {
    name: 'banos_unregister_ldisc',
    prototype: 'long banos_unregister_ldisc(int number)',
    fn: (call, number) => call.kernel.drivers.disciplines.unregister(call.owner, number | 0),
  },
  {
    name: 'banos_ldisc_send',
    prototype: 'long banos_ldisc_send(struct banos_ldisc_tty *tty, const void *bytes, size_t count)',
    fn: (call, tty, bytes, count) =>
      disciplineAt(call, tty)?.send(bytes, count) ?? call.bug('banos_ldisc_send with a bad pointer'),
  },
  {
    name: 'banos_ldisc_room',
    prototype: 'long banos_ldisc_room(struct banos_ldisc_tty *tty)',
    fn: ask('banos_ldisc_room', (discipline) => discipline.room),
  },
  {
    name: 'banos_ldisc_wake',
    prototype: 'void banos_ldisc_wake(struct banos_ldisc_tty *tty, banos_u32 mask)',
    fn: (call, tty, mask) =>
      disciplineAt(call, tty)?.wake(mask & 0xffff) ?? call.bug('banos_ldisc_wake with a bad pointer'),
  },
  {
    name: 'banos_ldisc_input_wanted',
    prototype: 'void banos_ldisc_input_wanted(struct banos_ldisc_tty *tty)',
    fn: ask('banos_ldisc_input_wanted', (discipline) => discipline.wantInput()),
  },
  {
    name: 'banos_ldisc_deliver',
    prototype: 'long banos_ldisc_deliver(struct banos_ldisc_tty *tty, const char *bytes, size_t count)',
    fn: (call, tty, bytes, count) =>
      disciplineAt(call, tty)?.deliver(bytes, count) ?? call.bug('banos_ldisc_deliver with a bad pointer'),
  },
  {
    name: 'banos_ldisc_hold',
    prototype: 'void banos_ldisc_hold(struct banos_ldisc_tty *tty)',
    fn: ask('banos_ldisc_hold', (discipline) => discipline.hold()),
  },
  {
    name: 'banos_ldisc_put',
    prototype: 'void banos_ldisc_put(struct banos_ldisc_tty *tty)',
    fn: (call, tty) =>
      disciplineAt(call, tty)?.put() === true ? 0 : call.bug('banos_ldisc_put of a terminal that is not held'),
  },
];
