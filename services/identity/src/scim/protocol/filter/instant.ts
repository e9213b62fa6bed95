/** A point in time as a filter writes it: whole milliseconds, and whether the text is a little later than that. */
export interface Instant {
  /** Since the epoch. */
  readonly ms: number;
  readonly hasMore: boolean;
}

const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:(Z)|([+-])(\d\d):(\d\d))$/i;
const MINUTE_MS = 60_000;

const daysIn = (year: number, month: number): number => {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31;
};

const isInRange = (value: number, [low, high]: readonly [number, number]): boolean => value >= low && value <= high;

/**
 * Reads an `xsd:dateTime` with its offset; undefined for anything that names no instant.
 *
 * @see RFC 7643 §2.3.5
 */
export const readInstant = (text: string): Instant | undefined => {
  const parts = DATE_TIME.exec(text);
  if (parts === null) return undefined;
  const at = (index: number): number => Number(parts[index] ?? 0);
  const [year, month, day, hour, minute, second] = [at(1), at(2), at(3), at(4), at(5), at(6)];
  const [offsetHour, offsetMinute] = [at(10), at(11)];
  const isDate = isInRange(year, [1, 9_999]) && isInRange(month, [1, 12]) && isInRange(day, [1, daysIn(year, month)]);
  const isTime = hour <= 23 && minute <= 59 && second <= 59 && offsetHour <= 14 && offsetMinute <= 59;
  if (!isDate || !isTime) return undefined;
  const fraction = (parts[7] ?? '').padEnd(3, '0');
  const offsetMs = (parts[9] === '-' ? -1 : 1) * (offsetHour * 60 + offsetMinute) * MINUTE_MS;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999; 400 years are a whole number of weeks and leap cycles.
  const cycleMs = Date.UTC(2400, 0, 1) - Date.UTC(2000, 0, 1);
  const ms = Date.UTC(year + 400, month - 1, day, hour, minute, second, Number(fraction.slice(0, 3))) - cycleMs;
  return { ms: ms - offsetMs, hasMore: /[1-9]/.test(fraction.slice(3)) };
};
