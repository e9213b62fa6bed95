import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second wherever programs can see it (USER_HZ). */
const TICK_MS = 10;

interface ProcessTimes {
  readonly parent: number;
  readonly ownMs: number;
  /** Of children that have ended and were waited for. */
  readonly endedMs: number;
}

/** @see proc(5), /proc/pid/stat: the fields after the name in parentheses, which may hold anything */
const timesOf = (pid: string): ProcessTimes | null => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const ms = (index: number): number => Number(fields[index]) * TICK_MS;
    return { parent: Number(fields[1]), ownMs: ms(11) + ms(12), endedMs: ms(13) + ms(14) };
  } catch {
    return null; // Ended between the listing and the look.
  }
};

/** CPU time a process and its children, ended ones too, have taken, user and system; ms. NaN where there is no /proc. */
export const familyCpuMs = (pid: number): number => {
  const own = timesOf(String(pid));
  if (own === null) return Number.NaN;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(timesOf)
    .filter((times) => times?.parent === pid);
  return own.ownMs + own.endedMs + children.reduce((sum, times) => sum + (times?.ownMs ?? 0), 0);
};
