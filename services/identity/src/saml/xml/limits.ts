/** What a document may cost. Reached limits are refusals, counted while reading, before anything is built from the rest. */
export interface XmlLimits {
  readonly maxBytes: number;
  readonly maxElements: number;
  readonly maxDepth: number;
  /** Per element, namespace declarations included. */
  readonly maxAttributes: number;
  /** Distinct (prefix, URI) pairs in the document: repeating the same declaration on every value is common and harmless. */
  readonly maxNamespaces: number;
}

const KIB = 1024;

/** A login message: Okta and Entra send 5 to 15 KiB; 150 groups fit. */
export const MESSAGE_LIMITS: XmlLimits = Object.freeze({
  maxBytes: 256 * KIB,
  maxElements: 2_000,
  maxDepth: 32,
  maxAttributes: 32,
  maxNamespaces: 64,
});
