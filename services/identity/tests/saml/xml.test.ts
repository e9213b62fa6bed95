import assert from 'node:assert/strict';

import { computingMs } from '@sallyport/testing';
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
      const tookMs = computingMs(() => {
        assert.throws(() => parse(xml), SamlRefusal);
      });
      assert.ok(tookMs < 200, shape);
    }
  });

  describe('refuses what is not well-formed, or more than a login needs', () => {
    const reasonOf = (xml: string | Uint8Array, limits = MESSAGE_LIMITS): string => {
      try {
        parseXml(Buffer.from(xml), limits);
        return 'accepted';
      } catch (error) {
        assert.ok(error instanceof SamlRefusal, String(error));
        return error.where === null ? error.reason : `${error.reason} ${error.where}`;
      }
    };
    const rows: readonly (readonly [xml: string, reason: string])[] = [
      ['<r a="1"b="2"/>', 'XML_MALFORMED attribute'],
      ['<r a=1/>', 'XML_MALFORMED attribute value'],
      ['<r a=x"1"/>', 'XML_MALFORMED attribute value'],
      ['<r a="1/>', 'XML_MALFORMED attribute value'],
      ['<r a=\'1"/>', 'XML_MALFORMED attribute value'],
      ['<r a="<"/>', 'XML_MALFORMED attribute value'],
      ['<r a"1"/>', 'XML_MALFORMED tag'],
      ['<r/ >', 'XML_MALFORMED tag'],
      ['<r></r x>', 'XML_MALFORMED tag'],
      ['<r></s>', 'XML_MALFORMED end tag'],
      ['<r><s></r></s>', 'XML_MALFORMED end tag'],
      ['<1/>', 'XML_MALFORMED name'],
      ['<é/>', 'XML_MALFORMED name'],
      ['<a:b:c xmlns:a="u"/>', 'XML_MALFORMED attribute'],
      ['<r>', 'XML_MALFORMED unclosed element'],
      ['<r>text', 'XML_MALFORMED unclosed element'],
      ['text', 'XML_MALFORMED tag'],
      ['', 'XML_MALFORMED tag'],
      ['<r/><r/>', 'XML_MALFORMED after the root'],
      ['<r/>text', 'XML_MALFORMED after the root'],
      ['<r>]]></r>', 'XML_MALFORMED text'],
      ['<r a="1" a="2"/>', 'XML_MALFORMED repeated attribute'],
      ['<r xmlns:a="u" xmlns:b="u" a:x="1" b:x="2"/>', 'XML_MALFORMED repeated attribute'],
      ['<r xmlns:a="u" xmlns:a="u"/>', 'XML_MALFORMED repeated declaration'],
      ['<r xmlns="u" xmlns="v"/>', 'XML_MALFORMED repeated declaration'],
      ['<r xmlns:a=""/>', 'NAMESPACE_INVALID declaration'],
      ['<r xmlns:xml="u"/>', 'NAMESPACE_INVALID declaration'],
      ['<r xmlns:xmlns="u"/>', 'NAMESPACE_INVALID declaration'],
      ['<r xmlns:a="http://www.w3.org/XML/1998/namespace"/>', 'NAMESPACE_INVALID declaration'],
      ['<r xmlns="http://www.w3.org/XML/1998/namespace"/>', 'NAMESPACE_INVALID declaration'],
      ['<r xmlns:a="http://www.w3.org/2000/xmlns/"/>', 'NAMESPACE_INVALID declaration'],
      ['<a:r/>', 'NAMESPACE_INVALID undeclared prefix'],
      ['<xmlns:r/>', 'NAMESPACE_INVALID undeclared prefix'],
      ['<r a:x="1"/>', 'NAMESPACE_INVALID undeclared prefix'],
      ['<r>&#0;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#x1F;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#xD800;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#xDFFF;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#xFFFE;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#x110000;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#9999999;</r>', 'XML_MALFORMED character reference'],
      ['<r>&#12345678;</r>', 'XML_MALFORMED reference'],
      ['<r>&;</r>', 'XML_MALFORMED reference'],
      ['<r>& x</r>', 'XML_MALFORMED reference'],
      ['<r>&lt</r>', 'XML_MALFORMED reference'],
      ['<r a="&nbsp;"/>', 'ENTITY_FORBIDDEN'],
      ['<r>\u0001</r>', 'XML_MALFORMED character'],
      ['<r>\uFFFF</r>', 'XML_MALFORMED character'],
      ['<!DOCTYPE r><r/>', 'DOCTYPE_FORBIDDEN'],
      ['<r/><!DOCTYPE r>', 'DOCTYPE_FORBIDDEN'],
      ['<r><!ENTITY a "b"></r>', 'ENTITY_FORBIDDEN'],
      ['<r><!-- --></r>', 'COMMENT_FORBIDDEN'],
      ['<r/><!-- -->', 'COMMENT_FORBIDDEN'],
      ['<r><![CDATA[x]]></r>', 'CDATA_FORBIDDEN'],
      ['<r><?pi x?></r>', 'PROCESSING_INSTRUCTION_FORBIDDEN'],
      ['<r/><?pi x?>', 'PROCESSING_INSTRUCTION_FORBIDDEN'],
      ['<?xml version="1.1"?><r/>', 'ENCODING_NOT_UTF8'],
      ['<?xml version="1.0" encoding="utf-16"?><r/>', 'ENCODING_NOT_UTF8'],
      ['<?xml-stylesheet href="x"?><r/>', 'PROCESSING_INSTRUCTION_FORBIDDEN'],
      [' <?xml version="1.0"?><r/>', 'PROCESSING_INSTRUCTION_FORBIDDEN'],
    ];
    for (const [xml, reason] of rows) {
      it(`${JSON.stringify(xml)}: ${reason}`, () => {
        assert.equal(reasonOf(xml), reason);
      });
    }

    it('bytes that are not UTF-8', () => {
      assert.equal(reasonOf(Uint8Array.from([0x3c, 0x72, 0xff, 0x2f, 0x3e])), 'ENCODING_NOT_UTF8');
      assert.equal(reasonOf(Buffer.from('<r/>', 'utf16le')), 'XML_MALFORMED character');
    });

    it('one more than a limit, and takes what is just within', () => {
      const limits = { maxBytes: 40, maxElements: 3, maxDepth: 2, maxAttributes: 2, maxNamespaces: 2 };
      const judge = (xml: string): string => reasonOf(xml, { ...MESSAGE_LIMITS, ...limits });
      for (const [within, beyond, reason] of [
        [`<r>${'x'.repeat(33)}</r>`, `<r>${'x'.repeat(34)}</r>`, 'MESSAGE_TOO_LARGE'],
        ['<r><a/><b/></r>', '<r><a/><b/><c/></r>', 'TOO_MANY_ELEMENTS'],
        ['<r><a></a></r>', '<r><a><b></b></a></r>', 'TOO_DEEP'],
        ['<r a="" b=""/>', '<r a="" b="" c=""/>', 'TOO_MANY_ATTRIBUTES'],
        ['<r xmlns:a="u"><s xmlns:b="u"/></r>', '<r xmlns="1"><s xmlns="2"><t xmlns="3"/>', 'TOO_MANY_NAMESPACES'],
      ] as const) {
        assert.equal(judge(within), 'accepted', within);
        assert.equal(judge(beyond), reason, beyond);
      }
    });
  });

  it('reads what it takes exactly as it was meant (XML 1.0 §2.11, §3.3.3, §4.1)', () => {
    const tree = parse(
      '<?xml version=\'1.0\' encoding="utf-8" standalone="yes"?>\r\n<r xmlns="urn:1" a="\t&#65;&#x1F600;&quot;\n"><x xmlns=""/>&lt;&#xD;\r\n&amp;</r >\n',
    );
    assert.deepEqual([tree.namespace, tree.attributes.map(({ value }) => value)], ['urn:1', [' A\u{1F600}" ']]);
    const [first, second] = tree.children;
    assert.equal(tree.children.length, 2);
    assert.equal(typeof first === 'object' ? first.namespace : first, '');
    assert.deepEqual(typeof first === 'object' ? first.children : first, []);
    assert.equal(second, '<\r\n&');
  });

  it('renders attributes whose names merely begin like a declaration', () => {
    assert.equal(ours('<r xmlnsx="1" b="2"/>'), '<r b="2" xmlnsx="1"></r>');
  });

  it('keeps an inclusive prefix that nothing uses (Exclusive C14N §2.1, InclusiveNamespaces)', () => {
    const tree = parse('<r xmlns:xs="urn:xs" xmlns:y="urn:y"><x/></r>');
    assert.equal(canonicalize(tree, { inclusivePrefixes: ['xs'] }).toString(), '<r xmlns:xs="urn:xs"><x></x></r>');
  });

  it('is bounded: a namespace that every element declares anew makes no hundred megabytes of a small document', () => {
    const prefixes = Array.from({ length: 24 }, (_, index) => `p${index}`);
    const declared = prefixes.map((prefix) => ` xmlns:${prefix}="urn:${prefix}${'u'.repeat(4_000)}"`).join('');
    const using = `<x${prefixes.map((prefix) => ` ${prefix}:a=""`).join('')}/>`;
    const document = (count: number): string => `<r${declared}>${using.repeat(count)}</r>`;
    assert.ok(document(500).length < MESSAGE_LIMITS.maxBytes);
    assert.ok(ours(document(10)).length > 900_000);
    assert.throws(
      () => ours(document(500)),
      (error) => error instanceof SamlRefusal && error.reason === 'MESSAGE_TOO_LARGE',
    );
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
