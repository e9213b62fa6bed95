import { refuse } from '../reasons.ts';
import { attributeOf, type XmlElement } from '../xml/tree.ts';

/** xs:dateTime in UTC, as SAML demands it (SAML Core 2.0 §1.3.3). Years of four digits. */
const INSTANT = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.\d{1,9})?Z$/;

/** Milliseconds of an instant, or null when it is none; 30 February is none. */
export function parseInstant(text: string): number | null {
  const seconds = INSTANT.exec(text)?.[1];
  if (seconds === undefined) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(seconds) ? null : ms;
}

/** The instant in an attribute; null when the attribute is absent. @throws SamlRefusal TIME_MALFORMED */
export function instantOf(element: XmlElement, attribute: string): number | null {
  const text = attributeOf(element, attribute);
  return text === null ? null : (parseInstant(text) ?? refuse('TIME_MALFORMED', `${element.localName}/@${attribute}`));
}

/** The instant in an attribute that has to be there. @throws SamlRefusal */
export const requiredInstantOf = (element: XmlElement, attribute: string): number =>
  instantOf(element, attribute) ?? refuse('ATTRIBUTE_MISSING', `${element.localName}/@${attribute}`);
