import { describe, expect, it } from 'vitest'
import { evaluate, expressionFault } from './evaluate.ts'
import { readDocument } from './read-document.ts'
import type { ReadFormat } from './shape.ts'
import { itemsToCsv, markdownToHtml } from './write-document.ts'

const read = (format: ReadFormat, content: string, more: object = {}) =>
  readDocument({ kind: 'parse', format, content, header: true, delimiter: undefined, ...more })

it.each<[ReadFormat, string, object, unknown]>([
  ['json', '{"a":[1]}', {}, { a: [1] }],
  ['jsonl', '{"a":1}\n\n{"a":2}\n', {}, [{ a: 1 }, { a: 2 }]],
  ['csv', '\ufeffa,b\n1,"x, ""y"""\n', {}, [{ a: '1', b: 'x, "y"' }]],
  ['csv', 'a;b\n1;2\n', {}, [{ a: '1', b: '2' }]],
  ['csv', 'a|b', { header: false }, [['a', 'b']]],
  ['csv', 'a:b', { header: false, delimiter: ':' }, [['a', 'b']]],
  ['csv', '', {}, []],
  ['tsv', 'a\tb\n1\t2', {}, [{ a: '1', b: '2' }]],
  ['yaml', 'a: [1, x]\nb: &k {c: 2}\nd: *k', {}, { a: [1, 'x'], b: { c: 2 }, d: { c: 2 } }],
  ['yaml', '---\na: 1\n---\nb: 2', {}, [{ a: 1 }, { b: 2 }]],
  ['yaml', '', {}, null],
  [
    'xml',
    '<a x="1"><b>t</b><b/><c>&lt;&#228;</c>rest</a>',
    {},
    { a: { '@x': '1', b: ['t', ''], c: '<ä', '#text': 'rest' } },
  ],
  ['xml', '<?xml version="1.0"?><!DOCTYPE a><a><![CDATA[<x>]]></a>', {}, { a: '<x>' }],
  [
    'html',
    '<title>T</title><h1>A &amp; B</h1><script>no()</script><p>one<br>two</p><ul><li>x</ul>',
    {},
    'A & B\n\none\ntwo\n\n- x',
  ],
  ['html', '<table><tr><td>a<td>b</table><pre>x\n  y</pre>', {}, 'a\tb\n\nx\ny'],
])('reads %s %j', async (format, content, more, expected) => {
  expect(await read(format, content, more)).toEqual(expected)
})

const laughs = `<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><a>&b;</a>`
const aliases = [
  'a: &a [x, x]',
  ...'bcdefghi'.split('').map((name, at) => `${name}: &${name} [${`*${'abcdefgh'[at]}, `.repeat(9)}]`),
].join('\n')

it.each<[ReadFormat, string, RegExp]>([
  ['json', '{"a":', /JSON/],
  ['json', '['.repeat(50_000), /nested deeper than 512/],
  ['jsonl', '{}\n{"a":', /line 2: /],
  ['xml', laughs, /declares entities, which are never expanded/],
  ['xml', '<a>'.repeat(5_000), /nested deeper than 512/],
  ['xml', '<a><b></a>', /element 'b' is not closed/],
  ['xml', '<a>', /element 'a' is not closed/],
  ['xml', 'no', /no element/],
  ['yaml', aliases, /alias/],
  ['yaml', 'a: "x', /quote/],
  ['csv', `a,b\n"${'x'.repeat(3_000_000)}`, /a row has more than 1048576 characters/],
  ['csv', 'a,b\n1,2,3', /Invalid Record Length/],
  ['pdf', 'bm8gcGRm', /not a PDF/],
])('refuses %s %#', async (format, content, message) => {
  await expect(read(format, content)).rejects.toThrow(message)
})

/** A PDF without a table of references, which the reader has to make. */
const pdfOf = (texts: string[]): string => {
  const object = (number: number, body: string) => `${number} 0 obj\n${body}\nendobj\n`
  const pages = texts.map((text, at) => {
    const drawn = `BT /F1 12 Tf 20 50 Td (${text}) Tj ET`
    const page = `<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 100]/Resources<</Font<</F1 3 0 R>>>>/Contents ${11 + 2 * at} 0 R>>`
    const content = `<</Length ${drawn.length}>>\nstream\n${drawn}\nendstream`
    return object(10 + 2 * at, page) + object(11 + 2 * at, content)
  })
  const kids = texts.map((_, at) => `${10 + 2 * at} 0 R`).join(' ')
  const head =
    object(1, '<</Type/Catalog/Pages 2 0 R>>') + object(2, `<</Type/Pages/Count ${texts.length}/Kids[${kids}]>>`)
  const font = object(3, '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>')
  return `%PDF-1.4\n${head}${font}${pages.join('')}trailer\n<</Root 1 0 R>>\n%%EOF\n`
}

it('reads the pages of a PDF', async () => {
  const content = Buffer.from(pdfOf(['Hello one', 'Hello two'])).toString('base64')
  expect(await read('pdf', content)).toEqual(['Hello one', 'Hello two'])
})

it('keeps a name that is that of a prototype as data', async () => {
  for (const [format, text] of [
    ['json', '{"__proto__":{"x":1}}'],
    ['xml', '<__proto__><x>1</x></__proto__>'],
    ['yaml', '__proto__: {x: 1}'],
  ] as const) {
    const value = (await read(format, text)) as object
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect((value as { x?: unknown }).x).toBeUndefined()
  }
})

describe('JSONata', () => {
  it.each([
    [
      'orders[amount > 5].id',
      {
        orders: [
          { id: 1, amount: 5 },
          { id: 2, amount: 9 },
        ],
      },
      2,
    ],
    ['orders[amount > 5].id[]', { orders: [{ id: 2, amount: 9 }] }, [2]],
    ['missing', {}, null],
    ['{"f": $sum, "a": 1}', {}, { f: null, a: 1 }],
    ['$sum(a)', { a: [1, 2] }, 3],
  ])('%s', async (expression, input, expected) => {
    expect(await evaluate(expression, input)).toEqual(expected)
  })

  it.each([
    ['a.(', /at character/],
    ['"x', /at character/],
    ['('.repeat(15_000), /nested too deeply|at character/],
  ])('names the fault of %.20s', (expression, message) => {
    expect(expressionFault(expression)).toMatch(message)
  })

  it.each([
    '$keys.constructor("return process")()',
    '"".constructor.constructor("return 1")()',
    '__proto__',
    'constructor',
  ])('finds nothing of the program with %s', async (expression) => {
    expect(await evaluate(expression, { a: 1 }).catch(() => null)).toBeNull()
  })
})

it.each([
  ['# A\n\n| a |\n|---|\n| *b* |', /<h1>A<\/h1>\n<table>[\s\S]*<em>b<\/em>/],
  ['<script>alert(1)</script>', /^&lt;script&gt;alert\(1\)&lt;\/script&gt;$/],
  ['<img src=x onerror=a()>', /^(?!.*<img)/],
  ['[a](javascript:alert(1))', /^<p><a href="">a<\/a><\/p>$/],
  ['[a](https://x.example/?a&b)', /href="https:\/\/x\.example\/\?a&amp;b"/],
])('renders %j safely', (markdown, expected) => {
  expect(markdownToHtml(markdown, undefined)).toMatch(expected)
})

it('escapes the title of a page', () => {
  expect(markdownToHtml('x', '</title><script>')).toContain('<title>&lt;/title&gt;&lt;script&gt;</title>')
})

it.each<[unknown[], string[] | undefined, string]>([
  [
    [
      { a: 1, b: 'x,y' },
      { b: null, c: [1] },
    ],
    undefined,
    'a,b,c\r\n1,"x,y",\r\n,,[1]\r\n',
  ],
  [[{ a: 1, b: 2 }], ['b'], 'b\r\n2\r\n'],
  [[[1, '=1+1'], 'z'], undefined, "1,'=1+1\r\nz\r\n"],
  [[], undefined, ''],
])('writes %j as CSV', (items, columns, expected) => {
  expect(itemsToCsv(items, columns)).toBe(expected)
})
