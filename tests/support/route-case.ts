import type { Sender } from './senders.ts';
import type { Workshop } from './workshop.ts';

/** One request that works for the company it belongs to. */
export interface Prepared {
  readonly params?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** Whose request it is, where it is about the sender's own: in place of the headers of `as`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** On what condition, whoever sends it: `if-match`. */
  readonly condition?: Readonly<Record<string, string>>;
}

/** What is known of a route beyond its row: a request that works, made anew each time. */
export interface RouteCase {
  readonly as?: Sender;
  /** What the company itself is answered. */
  readonly status: number;
  readonly prepare: (workshop: Workshop) => Promise<Prepared>;
  /** Actions of its audit entries, in order; absent: it changes nothing. */
  readonly entries?: readonly string[];
}

/** A request about one thing, made for it. */
export const of =
  (name: string, make: (workshop: Workshop) => Promise<string>, body?: object) =>
  async (workshop: Workshop): Promise<Prepared> => ({
    params: { [name]: await make(workshop) },
    ...(body === undefined ? {} : { body }),
  });

/** Nothing has to be made. */
export const nothing = async (): Promise<Prepared> => await Promise.resolve({});
