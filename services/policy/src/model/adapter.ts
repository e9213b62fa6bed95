import type { PolicyLine } from './lines.ts';

/** Where an adapter puts lines; the shape of Casbin's model, of which only this much is used. */
export interface LineSink {
  readonly model: ReadonlyMap<string, ReadonlyMap<string, { policy: string[][] }>>;
}

/**
 * Feeds Casbin from arrays. Casbin's own adapters go through comma-separated text, where a quote, a comma or an empty
 * column in a stored value changes what other columns mean; here no text is ever parsed.
 *
 * @returns the number of lines that went in
 */
export const feedLines = (lines: readonly PolicyLine[], sink: LineSink): number => {
  let count = 0;
  for (const { type, fields } of lines) {
    const section = type === 'p' ? 'p' : 'g';
    sink.model
      .get(section)
      ?.get(type)
      ?.policy.push([...fields]);
    count += 1;
  }
  return count;
};
