import { BinaryReader } from '@bufbuild/protobuf/wire';

/** How an answer is read: whether each question of its request was allowed, and as little else as possible. */
export type AnswerFormat = 'check' | 'check-many' | 'check-resources' | 'anything';

const ALLOW = 1;

/** Reads the fields of one message; `visit` says whether it has read the value itself. */
const eachField = (reader: BinaryReader, end: number, visit: (field: number) => boolean): void => {
  while (reader.pos < end) {
    const [field, type] = reader.tag();
    if (!visit(field)) reader.skip(type);
  }
};

const inside = (reader: BinaryReader, visit: (field: number) => boolean): true => {
  const length = reader.uint32();
  eachField(reader, reader.pos + length, visit);
  return true;
};

/** CheckResponse: the decision is field 1 and comes first. */
const isAllow = (message: Uint8Array, at: number): boolean => message[at] === 0x08 && message[at + 1] === ALLOW;

const readMany = (message: Uint8Array): readonly boolean[] => {
  const allowed: boolean[] = [];
  const reader = new BinaryReader(message);
  eachField(reader, message.length, (field) => {
    if (field !== 1) return false;
    const length = reader.uint32();
    allowed.push(isAllow(message, reader.pos));
    reader.pos += length;
    return true;
  });
  return allowed;
};

/** CheckResourcesResponse: results (2), of each the map actions (2), of which the value is the effect. */
const readResources = (message: Uint8Array): readonly boolean[] => {
  const allowed: boolean[] = [];
  const reader = new BinaryReader(message);
  const effect = (field: number): boolean => {
    if (field !== 2) return false;
    allowed.push(reader.int32() === ALLOW);
    return true;
  };
  const actions = (field: number): boolean => field === 2 && inside(reader, effect);
  eachField(reader, message.length, (field) => field === 2 && inside(reader, actions));
  return allowed;
};

/** Whether each question was allowed; null when that is not looked at. */
export const readAnswer = (format: AnswerFormat, message: Uint8Array): readonly boolean[] | null => {
  switch (format) {
    case 'check':
      return [isAllow(message, 0)];
    case 'check-many':
      return readMany(message);
    case 'check-resources':
      return readResources(message);
    case 'anything':
      break;
  }
  return null;
};
