import assert from 'node:assert/strict';

import { DOMParser } from '@xmldom/xmldom';
import fc from 'fast-check';
import { ExclusiveCanonicalization } from 'xml-crypto';

import { SamlRefusal } from '../../src/saml/reasons.ts';
import { canonicalize } from '../../src/saml/xml/canonicalize.ts';
import { MESSAGE_LIMITS } from '../../src/saml/xml/limits.ts';
import { parseXml } from '../../src/saml/xml/parse.ts';

const parse = (xml: string) => parseXml(Buffer.from(xml), MESSAGE_LIMITS);
const ours = (xml: string): string => canonicalize(parse(xml)).toString();
const theirs = (xml: string): string =>
  new ExclusiveCanonicalization().process(
    new DOMParser().parseFromString(xml, 'text/xml').documentElement as never,
    {},
  );

/** Documents with nested and shadowed prefixes, attributes in several namespaces, and text that needs escaping. */
const text = fc.string({
  unit: fc.constantFrom('a', 'é', '&lt;', '&amp;', '&gt;', '&#xD;', '&#9;', '"', "'", ' ', '\n', '𝄞'),
});
const prefix = fc.constantFrom('', 'a', 'b', 'c');
const uri = fc.constantFrom('urn:1', 'urn:2', 'urn:3');
const name = fc.constantFrom('x', 'y', 'z');
const declarations = fc.dictionary(prefix, uri, { maxKeys: 3 });
const attributes = fc.dictionary(
  fc.tuple(prefix, name).map(([p, n]) => (p === '' ? n : `${p}:${n}`)),
  text.map((value) => value.replaceAll('"', '&quot;')),
  { maxKeys: 3 },
);

const { element } = fc.letrec<{ element: string }>((tie) => ({
  element: fc
    .tuple(
      prefix,
      name,
      declarations,
      attributes,
      fc.array(fc.oneof({ depthSize: 'small', withCrossShrink: true }, text, tie('element')), { maxLength: 4 }),
    )
    .map(([p, n, declared, own, children]) => {
      const tag = p === '' ? n : `${p}:${n}`;
      const namespaces = Object.entries(declared).map(
        ([key, value]) => ` ${key === '' ? 'xmlns' : `xmlns:${key}`}="${value}"`,
      );
      const rest = Object.entries(own).map(([key, value]) => ` ${key}="${value}"`);
      return `<${tag}${namespaces.join('')}${rest.join('')}>${children.join('')}</${tag}>`;
    }),
}));
const document = element.map(
  (inner) => `<r xmlns="urn:0" xmlns:a="urn:1" xmlns:b="urn:2" xmlns:c="urn:9">${inner}</r>`,
);

/** Two prefixes of one namespace can make the same attribute twice: not well-formed, and refused by us. */
const isAccepted = (xml: string): boolean => {
  try {
    parse(xml);
    return true;
  } catch {
    return false;
  }
};

describe('SAML XML subset', () => {
  it('canonicalises as an independent implementation does (Exclusive C14N §3)', () => {
    fc.assert(
      fc.property(document, (xml) => {
        fc.pre(isAccepted(xml));
        assert.equal(ours(xml), theirs(xml));
      }),
      { numRuns: 2_000 },
    );
  });

  it('canonical bytes re-read canonicalise to themselves', () => {
    fc.assert(
      fc.property(document, (xml) => {
        fc.pre(isAccepted(xml));
        assert.equal(ours(ours(xml)), ours(xml));
      }),
      { numRuns: 1_000 },
    );
  });

  it('answers every byte string with a tree or a refusal, nothing else', () => {
    const seed = '<?xml version="1.0"?><r xmlns:a="urn:1"><a:x y="&lt;">text &#65;</a:x></r>';
    const mutations = fc.array(
      fc.tuple(
        fc.nat(seed.length),
        fc.constantFrom('<', '>', '&', '"', '/', '!', '?', '=', ':', '\0', '\uFFFE', ']]>', '<!--', '<a'),
      ),
      { minLength: 1, maxLength: 6 },
    );
    const attempt = (bytes: Uint8Array): void => {
      try {
        parseXml(bytes, MESSAGE_LIMITS);
      } catch (error) {
        assert.ok(error instanceof SamlRefusal, String(error));
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), attempt), { numRuns: 5_000 });
    fc.assert(
      fc.property(mutations, (changes) => {
        attempt(
          Buffer.from(changes.reduce((xml, [at, inserted]) => xml.slice(0, at) + inserted + xml.slice(at), seed)),
        );
      }),
      { numRuns: 5_000 },
    );
  });

  it('takes time linear in the input, also for hostile shapes', () => {
    const shapes = ['<x/>', '<x a="">', '&lt;', '<x xmlns="urn:x"/>', '&', '<', '"', ' ', 'a', '<!', ']]'];
    for (const shape of shapes) {
      const xml = `<r>${shape.repeat(Math.floor((256 * 1024 - 10) / shape.length))}`;
      const startedAt = process.threadCpuUsage();
      assert.throws(() => parse(xml), SamlRefusal);
      const { user, system } = process.threadCpuUsage(startedAt);
      assert.ok(user + system < 200_000, shape);
    }
  });

  it('renders attributes whose names merely begin like a declaration', () => {
    assert.equal(ours('<r xmlnsx="1" b="2"/>'), '<r b="2" xmlnsx="1"></r>');
  });

  it('keeps an inclusive prefix that nothing uses (Exclusive C14N §2.1, InclusiveNamespaces)', () => {
    const tree = parse('<r xmlns:xs="urn:xs" xmlns:y="urn:y"><x/></r>');
    assert.equal(canonicalize(tree, { inclusivePrefixes: ['xs'] }).toString(), '<r xmlns:xs="urn:xs"><x></x></r>');
  });

  it('never declares the xml prefix (Canonical XML 1.0 §2.3)', () => {
    assert.equal(ours('<r xml:lang="en"/>'), '<r xml:lang="en"></r>');
  });

  it('orders attributes by namespace, then name, by code point (Canonical XML 1.0 §2.2)', () => {
    assert.equal(
      ours('<r xmlns:b="urn:1" xmlns:a="urn:2" a:x="1" b:y="2" b:x="3" z="4"/>'),
      '<r xmlns:a="urn:2" xmlns:b="urn:1" z="4" b:x="3" b:y="2" a:x="1"></r>',
    );
  });
});
