/** A document of the XML subset we accept: elements, attributes and text, nothing else exists. */
export interface XmlElement {
  /** As written, prefix included. */
  readonly name: string;
  readonly prefix: string;
  readonly localName: string;
  /** Empty text when the element is in no namespace. */
  readonly namespace: string;
  /** In document order, without namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  /** Every prefix in scope, with the empty prefix for the default namespace; shared between elements that declare none. */
  readonly scope: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];
}

export interface XmlAttribute {
  readonly name: string;
  readonly prefix: string;
  readonly localName: string;
  readonly namespace: string;
  readonly value: string;
}

export type XmlNode = XmlElement | string;

export const isElement = (node: XmlNode): node is XmlElement => typeof node !== 'string';

/** The element children, in order. */
export const childElements = (element: XmlElement): XmlElement[] => element.children.filter(isElement);

/** The child elements with this name. */
export const childrenNamed = (element: XmlElement, namespace: string, localName: string): XmlElement[] =>
  childElements(element).filter((child) => child.namespace === namespace && child.localName === localName);

/** The value of an attribute in no namespace, or null when it is absent. */
export const attributeOf = (element: XmlElement, localName: string): string | null =>
  element.attributes.find((attribute) => attribute.namespace === '' && attribute.localName === localName)?.value ??
  null;

/** The text of an element, element children left out. */
export const textOf = (element: XmlElement): string =>
  element.children.map((node) => (isElement(node) ? '' : node)).join('');

/** The element and all elements beneath it, in document order. */
export const descendants = (element: XmlElement): XmlElement[] => [
  element,
  ...childElements(element).flatMap((child) => descendants(child)),
];
