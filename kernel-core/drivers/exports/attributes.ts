/** Exports for attributes in /sys. */
import { addAttribute, attributeChanged, removeAttribute } from '../attributes.js';
import type { ExportRow } from '../row.js';

export const attributeExports: readonly ExportRow[] = [
  {
    name: 'banos_attribute_add',
    prototype: 'long banos_attribute_add(banos_u32 number, const struct banos_attribute *attribute)',
    fn: (call, number, attribute) => addAttribute(call, number >>> 0, attribute),
  },
  {
    name: 'banos_attribute_remove',
    prototype: 'long banos_attribute_remove(banos_u32 number, const char *name)',
    fn: (call, number, name) => removeAttribute(call, number >>> 0, name),
  },
  {
    name: 'banos_attribute_changed',
    prototype: 'long banos_attribute_changed(banos_u32 number, const char *name)',
    fn: (call, number, name) => attributeChanged(call, number >>> 0, name),
  },
];
