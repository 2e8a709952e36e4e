/** Exports for line disciplines. */
import type { KernelCall } from '../call.js';
import type { DriverDiscipline } from '../ldisc.js';
import type { ExportRow } from '../row.js';

/** The caller's discipline of the terminal at an address; undefined: there is none. */
function disciplineAt(call: KernelCall, address: number): DriverDiscipline | undefined {
  const discipline = call.kernel.drivers.disciplines.users.get(address);
  return discipline?.type.owner === call.owner ? discipline : undefined;
}

/**
 * A handler that is about the discipline of its first argument, a struct banos_ldisc_tty.
 * @param act answers null when an address leads nowhere
 */
const about =
  (name: string, act: (discipline: DriverDiscipline, a: number, b: number) => number | null): ExportRow['fn'] =>
  (call, tty, a, b) => {
    const discipline = disciplineAt(call, tty);
    return (discipline === undefined ? null : act(discipline, a, b)) ?? call.bug(`${name} with a bad pointer`);
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
    fn: about('banos_ldisc_send', (discipline, bytes, count) => discipline.send(bytes, count)),
  },
  {
    name: 'banos_ldisc_room',
    prototype: 'long banos_ldisc_room(struct banos_ldisc_tty *tty)',
    fn: about('banos_ldisc_room', (discipline) => discipline.room),
  },
  {
    name: 'banos_ldisc_wake',
    prototype: 'void banos_ldisc_wake(struct banos_ldisc_tty *tty, banos_u32 mask)',
    fn: about('banos_ldisc_wake', (discipline, mask) => discipline.wake(mask & 0xffff)),
  },
  {
    name: 'banos_ldisc_input_wanted',
    prototype: 'void banos_ldisc_input_wanted(struct banos_ldisc_tty *tty)',
    fn: about('banos_ldisc_input_wanted', (discipline) => discipline.wantInput()),
  },
  {
    name: 'banos_ldisc_deliver',
    prototype: 'long banos_ldisc_deliver(struct banos_ldisc_tty *tty, const char *bytes, size_t count)',
    fn: about('banos_ldisc_deliver', (discipline, bytes, count) => discipline.deliver(bytes, count)),
  },
  {
    name: 'banos_ldisc_hold',
    prototype: 'void banos_ldisc_hold(struct banos_ldisc_tty *tty)',
    fn: about('banos_ldisc_hold', (discipline) => discipline.hold()),
  },
  {
    name: 'banos_ldisc_put',
    prototype: 'void banos_ldisc_put(struct banos_ldisc_tty *tty)',
    fn: (call, tty) =>
      disciplineAt(call, tty)?.put() === true ? 0 : call.bug('banos_ldisc_put of a terminal that is not held'),
  },
];
