import { BinaryReader } from '@bufbuild/protobuf/wire';

interface Decoder<Message> {
  decode(input: BinaryReader): Message;
}

/** Texts remembered by one deserializer, and how long they may be: longer than any id, action or type. */
const SLOTS = 4_096;
const WORDS = 16;
const BYTES_PER_WORD = 4;
const MAX_BYTES = WORDS * BYTES_PER_WORD;

const MIX = 0x9e3779b1;

/**
 * Texts under the bytes they were read from: an id that comes again is the string it was before, whose hash is known to
 * every map. One text a slot, the latest; what is found is compared byte by byte, so no text is taken for another.
 */
class Texts {
  readonly #words = new Uint32Array(SLOTS * WORDS);
  readonly #lengths = new Uint8Array(SLOTS);
  readonly #texts: string[] = Array.from({ length: SLOTS }, () => '');

  /** Where these bytes belong, from all of them; the last word overlaps the one before it where they are no multiple. */
  slotOf(view: DataView, start: number, length: number): number {
    const last = start + length - BYTES_PER_WORD;
    let hash = length;
    for (let at = start; at < last; at += BYTES_PER_WORD) hash = mixed(hash, view.getUint32(at, true));
    hash = mixed(hash, view.getUint32(last, true));
    return (hash ^ (hash >>> 15)) & (SLOTS - 1);
  }

  find(slot: number, view: DataView, start: number, length: number): string | undefined {
    if (this.#lengths[slot] !== length) return undefined;
    const last = start + length - BYTES_PER_WORD;
    let word = slot * WORDS;
    for (let at = start; at < last; at += BYTES_PER_WORD, word += 1)
      if (this.#words[word] !== view.getUint32(at, true)) return undefined;
    return this.#words[word] === view.getUint32(last, true) ? this.#texts[slot] : undefined;
  }

  put(slot: number, view: DataView, start: number, text: { readonly length: number; readonly value: string }): void {
    const last = start + text.length - BYTES_PER_WORD;
    let word = slot * WORDS;
    for (let at = start; at < last; at += BYTES_PER_WORD, word += 1) this.#words[word] = view.getUint32(at, true);
    this.#words[word] = view.getUint32(last, true);
    this.#lengths[slot] = text.length;
    this.#texts[slot] = text.value;
  }
}

const mixed = (hash: number, word: number): number => {
  const product = Math.imul(hash ^ word, MIX);
  return product ^ (product >>> 16);
};

/** A reader that makes a string only of bytes it has not just seen. */
class RememberingReader extends BinaryReader {
  readonly #texts: Texts;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, texts: Texts) {
    super(bytes);
    this.#texts = texts;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  override string(strict?: boolean): string {
    const before = this.pos;
    const length = this.uint32();
    const start = this.pos;
    const isRemembered = length >= BYTES_PER_WORD && length <= MAX_BYTES && start + length <= this.len;
    if (!isRemembered || strict === true) {
      this.pos = before;
      return super.string(strict);
    }
    const slot = this.#texts.slotOf(this.#view, start, length);
    const known = this.#texts.find(slot, this.#view, start, length);
    if (known !== undefined) {
      this.pos = start + length;
      return known;
    }
    this.pos = before;
    const value = super.string();
    this.#texts.put(slot, this.#view, start, { length, value });
    return value;
  }
}

/**
 * A `requestDeserialize` or `responseDeserialize` for messages in which the same texts come again and again. What comes
 * out is what the generated one makes; most of that one's time goes into making strings.
 */
export const deserializer = <Message>({ decode }: Decoder<Message>): ((bytes: Uint8Array) => Message) => {
  const texts = new Texts();
  return (bytes) => decode(new RememberingReader(bytes, texts));
};
