import { v7 } from 'uuid';

/** A new identifier: UUIDv7 (RFC 9562 §5.7), so that keys of one table are created in roughly ascending order. */
export const newId = (): string => v7();

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** True for the canonical lower-case text form; anything else must be answered as "not found", never sent to SQL. */
export const isId = (text: unknown): text is string => typeof text === 'string' && UUID.test(text);
