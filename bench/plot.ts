/** The picture of the bench: a bar per row and engine, time against native on a logarithmic axis, as SVG without a library. */
import { figure, geometricMean, type Results, type Row, ratioOf } from './report.js';

const LABEL = 190;
const WIDTH = 900;
const RIGHT = 60;
const BAR = 7;
const GAP = 5;
const TITLE = 26;
const LEAST = 0.1;
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200];
const COLOURS = { qemu: '#b9b9b9', banos: ['#2f6db5', '#e08a1e', '#3d9970'] };

interface Bar {
  /** Time against native. */
  value: number;
  colour: string;
}

interface Line {
  label: string;
  bars: Bar[];
  title?: boolean;
}

const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const colourOf = (engine: number): string => COLOURS.banos[engine % COLOURS.banos.length]!;

function barsOf(qemu: number | null, banos: readonly (number | null)[]): Bar[] {
  const bars = banos.map((value, engine) => ({ value, colour: colourOf(engine) }));
  return [...bars, { value: qemu, colour: COLOURS.qemu }].filter((bar): bar is Bar => bar.value !== null);
}

const nameOf = (row: Row): string => (row.library === 'musl' ? `${row.name} (musl)` : row.name);

function linesOf(results: Results): Line[] {
  const lines: Line[] = [];
  const engines = results.engines.map((_, engine) => engine);
  for (const [group, title] of [
    ['kernels', 'CPU kernels'],
    ['programs', 'real programs'],
    ['rates', 'system calls and signals'],
    ['checks', 'loops into a guard page'],
  ] as const) {
    const rows = results.rows.filter((row) => row.group === group && row.native !== null);
    if (rows.length === 0) continue;
    lines.push({ label: title, bars: [], title: true });
    for (const row of rows) {
      lines.push({
        label: nameOf(row),
        bars: barsOf(
          ratioOf(row, 'qemu'),
          engines.map((engine) => ratioOf(row, engine)),
        ),
      });
    }
    const mean = (engine: number | 'qemu') =>
      geometricMean(rows.map((row) => ratioOf(row, engine)).filter((value) => value !== null));
    lines.push({ label: 'geometric mean', bars: barsOf(mean('qemu'), engines.map(mean)) });
  }
  return lines;
}

const heightOf = ({ title, bars }: Line): number => (title ? TITLE : Math.max(1, bars.length) * BAR + GAP);

/** @returns the whole file */
export function plot(results: Results): string {
  const lines = linesOf(results);
  const values = lines.flatMap(({ bars }) => bars.map(({ value }) => value));
  const most = TICKS.find((tick) => tick >= Math.max(1, ...values)) ?? TICKS.at(-1)!;
  const across = (value: number): number => {
    const share = Math.log(Math.min(Math.max(value, LEAST), most) / LEAST) / Math.log(most / LEAST);
    return LABEL + share * (WIDTH - LABEL - RIGHT);
  };
  const top = 44;
  const height = top + lines.reduce((sum, line) => sum + heightOf(line), 0) + 12;
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">`,
    '<title>Times of programs in qemu-user and in Banos, as multiples of the native time</title>',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
  ];
  const legend = [
    ...results.engines.map((name, engine) => ({ name, colour: colourOf(engine) })),
    { name: 'qemu-user', colour: COLOURS.qemu },
  ];
  legend.forEach(({ name, colour }, i) => {
    const x = LABEL + i * 190;
    out.push(
      `<rect x="${x}" y="8" width="10" height="10" fill="${colour}"/><text x="${x + 15}" y="17">${escapeXml(name)}</text>`,
    );
  });
  out.push(`<text x="8" y="17">time against native</text>`);
  for (const tick of TICKS.filter((value) => value <= most)) {
    const x = across(tick).toFixed(1);
    const stroke = tick === 1 ? '#404040' : '#dddddd';
    out.push(`<line x1="${x}" y1="${top - 8}" x2="${x}" y2="${height - 8}" stroke="${stroke}"/>`);
    out.push(`<text x="${x}" y="${top - 12}" text-anchor="middle" fill="#606060">${tick}</text>`);
  }
  let y = top;
  for (const line of lines) {
    const lineHeight = heightOf(line);
    if (line.title) {
      out.push(`<text x="8" y="${y + TITLE - 9}" font-weight="bold">${escapeXml(line.label)}</text>`);
    } else {
      const weight = line.label === 'geometric mean' ? ' font-weight="bold"' : '';
      out.push(
        `<text x="${LABEL - 8}" y="${(y + (lineHeight - GAP) / 2 + 4).toFixed(1)}" text-anchor="end"${weight}>${escapeXml(line.label)}</text>`,
      );
      line.bars.forEach(({ value, colour }, i) => {
        const end = across(value);
        const at = y + i * BAR;
        out.push(
          `<rect x="${LABEL}" y="${at}" width="${(end - LABEL).toFixed(1)}" height="${BAR - 1}" fill="${colour}"/>`,
        );
        out.push(
          `<text x="${(end + 3).toFixed(1)}" y="${at + BAR - 1}" font-size="8" fill="#404040">${figure(value)}</text>`,
        );
      });
    }
    y += lineHeight;
  }
  out.push('</svg>');
  return `${out.join('\n')}\n`;
}
