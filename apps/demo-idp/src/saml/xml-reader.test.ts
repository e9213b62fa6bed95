import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DemoIdpError } from '../errors.ts';
import { element, text } from './xml.ts';
import { readXml } from './xml-reader.ts';

const xmlText = fc
  .string({ unit: 'binary' })
  .filter((value) => /^[\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]*$/u.test(value));

describe('XML reader', () => {
  it('reads back what the writer wrote', () => {
    fc.assert(
      fc.property(xmlText, xmlText, (attribute, content) => {
        const node = readXml(element('p:a', { 'xmlns:p': 'urn:p', B: attribute }, element('p:c', {}, text(content))));
        assert.deepEqual([node.name, node.namespace, node.attributes.get('B')], ['a', 'urn:p', attribute]);
        assert.equal(node.children[0]?.text, content);
      }),
    );
  });

  it('either reads or refuses, whatever it is given, and never anything else', () => {
    const pieces = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      ' b="c"',
      "'",
      '&amp;',
      '&#x41;',
      '&',
      '<!--',
      ']]>',
      '<?',
      '<a>',
      '</a>',
      ':',
      'xmlns=""',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 25 }), (parts) => {
        try {
          readXml(parts.join(''));
        } catch (error) {
          assert.ok(error instanceof DemoIdpError && error.code === 'XML_REFUSED');
        }
      }),
      { numRuns: 2000 },
    );
  });

  const refused: readonly [string, string][] = [
    ['a DOCTYPE', '<!DOCTYPE a><a></a>'],
    ['a comment', '<a>x<!-- y -->z</a>'],
    ['CDATA', '<a><![CDATA[x]]></a>'],
    ['a processing instruction', '<a><?x y?></a>'],
    ['an entity of its own', '<a>&x;</a>'],
    ['a lone ampersand', '<a>&</a>'],
    ['a code point that does not exist', '<a>&#x110000;</a>'],
    ['two roots', '<a></a><b></b>'],
    ['text around the root', '<a></a>x'],
    ['tags that do not match', '<a></b>'],
    ['an end that is missing', '<a><b></b>'],
    ['an attribute twice', '<a b="1" b="2"></a>'],
    ['an undeclared prefix', '<p:a></p:a>'],
    ['too much depth', '<a>'.repeat(33) + '</a>'.repeat(33)],
    ['too many elements', `<a>${'<b/>'.repeat(2000)}</a>`],
    ['too many characters', `<a>${'x'.repeat(256 * 1024)}</a>`],
    ['nothing', ''],
  ];
  for (const [name, source] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(
        () => readXml(source),
        (error) => error instanceof DemoIdpError && error.code === 'XML_REFUSED',
      );
    });
  }

  it('answers hostile markup in linear time', () => {
    for (const source of [
      `<a${' b="c"'.repeat(20_000)}`,
      `<a ${'b'.repeat(200_000)}`,
      `<a>${'&'.repeat(200_000)}`,
      ' '.repeat(200_000),
    ]) {
      // Time of this thread: how busy the machine is says nothing about the markup.
      const startedAt = process.threadCpuUsage();
      assert.throws(() => readXml(source));
      const { user, system } = process.threadCpuUsage(startedAt);
      assert.ok(user + system < 1_000_000, source.slice(0, 10));
    }
  });
});
