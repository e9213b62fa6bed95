/** One DER value: tag, definite length, content. @see ITU-T X.690 §8.1, §10.1 */
export function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag]), derLength(content.length), content]);
}

export const sequence = (...items: readonly Buffer[]): Buffer => der(0x30, ...items);
export const setOf = (...items: readonly Buffer[]): Buffer => der(0x31, ...items);
export const utf8 = (value: string): Buffer => der(0x0c, Buffer.from(value, 'utf8'));
export const derNull: Buffer = Buffer.from([0x05, 0x00]);

/** A non-negative integer from big-endian bytes. @see ITU-T X.690 §8.3 */
export function integer(bytes: Buffer): Buffer {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const magnitude = bytes.subarray(start);
  const negativeLooking = ((magnitude[0] ?? 0) & 0x80) !== 0;
  return der(0x02, negativeLooking ? Buffer.concat([Buffer.from([0]), magnitude]) : magnitude);
}

/** A bit string without unused bits. */
export function bitString(bytes: Buffer): Buffer {
  return der(0x03, Buffer.from([0]), bytes);
}

/** An object identifier in dotted form. @see ITU-T X.690 §8.19 */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** UTCTime before 2050, GeneralizedTime from then on. @see RFC 5280 §4.1.2.5 */
export function time(value: Date): Buffer {
  const digits = value.toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return value.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

function derLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | (rest % 128));
  return bytes;
}
