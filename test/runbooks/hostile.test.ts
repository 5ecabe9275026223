// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CI files write so
// Texts that nobody would write, but for a reason.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { declaredFiles } from '../../src/sandbox/runbooks/format/declared-files.ts'
import type { Position } from '../../src/sandbox/runbooks/format/positions.ts'
import { readRunbook } from '../../src/sandbox/runbooks/format/runbook.ts'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'
import { variablesOf } from '../../src/sandbox/runbooks/variables.ts'
import { written } from './written.ts'

const pieces = [
  ...[
    '---',
    '...',
    '\n',
    '\r\n',
    '\r',
    '\uFEFF',
    ' ',
    '\t',
    '# ',
    '## Parameters',
    '## Output Files',
    '## Final Checklist',
  ],
  ...[
    '| File | Default |',
    '| --- | --- |',
    '| {{a}} | x |',
    '|',
    '\\|',
    '```sh',
    '~~~',
    '{{a}}',
    '{{ b_2 }}',
    '{TODO:',
    '${{ c }}',
  ],
  ...[
    'version: 1',
    'secrets:',
    '  - env: A',
    '  A: {env: 1}',
    'primary_outputs: [a, ../b]',
    'verify: {judge: 1}',
    'origin: &a [*a]',
  ],
  ...[
    'timeout_sec: 1e9',
    '? ',
    '- ',
    '[',
    '{',
    '"',
    "'",
    '!!x ',
    '%YAML',
    '__proto__: 1',
    'constructor: {}',
    'max 3 rounds',
    '\u{1F600}',
    '\u2028',
    '\0',
  ],
]
const text = fc
  .array(fc.oneof(fc.constantFrom(...pieces), fc.constantFrom('\n'), fc.string({ maxLength: 8 })), { maxLength: 60 })
  .map((parts) => parts.join(''))
const begun = text.map((rest) => `---\n${rest}`)
const mixed = fc.tuple(fc.nat(), text).map(([at, part]) => {
  const whole = written('strict')
  const from = at % whole.length
  return whole.slice(0, from) + part + whole.slice(from + part.length)
})

it('is read whatever it is, and what is found stands inside of it', () => {
  fc.assert(
    fc.property(
      fc.oneof(text, begun, mixed),
      fc.constantFrom('loose' as const, 'strict' as const),
      (content, level) => {
        const { errors, warnings, valid } = validateRunbook(content, level)
        const lines = content.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
        const isInside = ({ line, column }: Position) =>
          line >= 1 && line <= lines.length && column >= 1 && column <= (lines[line - 1]?.length ?? 0) + 1
        expect([...errors, ...warnings].filter((finding) => !isInside(finding))).toEqual([])
        expect(valid).toBe(errors.length === 0)
        const runbook = readRunbook(content)
        declaredFiles(runbook, variablesOf(runbook, {}, '/app/results'), '/app/results')
      },
    ),
    { numRuns: 800 },
  )
})

/** Each is repeated until it is long, in every place that something is looked for in. */
const units = [
  ...[
    '[',
    '{',
    '- ',
    '? ',
    '> ',
    '>\n',
    '|\n',
    '# ',
    '#',
    '|',
    '|a',
    '\\|',
    '`',
    '*',
    '*a* ',
    '_',
    '"',
    "'",
    '&a ',
    '*a ',
    '!x ',
    'a: b\n',
    'a: [\n',
  ],
  ...[
    '{{',
    '{{a',
    '{{a ',
    '{{ ',
    '{{a}}',
    '{TODO:',
    'max ',
    'max:',
    'max 1 ',
    'up to ',
    '3 rounds ',
    'at most 3 a ',
    'none ',
    'required ',
  ],
  ...[
    '```\n',
    '~~~\n',
    '| - |\n',
    '|a|\n|-|\n',
    '- [ ] ',
    ' ',
    '\t',
    '\n',
    '\r',
    '---\n',
    '(a)',
    '[a](',
    '](',
    '<',
    'a or ',
    'a, ',
    '../',
    'step 1',
    '1.',
  ],
]
const places: ((long: string) => string)[] = [
  (long) => long,
  (long) => `# ${long}`,
  (long) => `## Output Files\n\n| File | Default |\n| --- | --- |\n| ${long} | x |\n`,
  (long) => `## Parameters\n\n| Name | Default |\n| --- | --- |\n| x | ${long} |\n`,
]
const frontMatters: typeof places = [(long) => `---\n${long}\n---\ntext`, (long) => `---\nversion: ${long}\n---\ntext`]

describe('takes as long as it is', () => {
  const seconds = (characters: number, chosen: string[], where: typeof places) => {
    const started = performance.now()
    for (const unit of chosen) {
      for (const place of where) validateRunbook(place(unit.repeat(characters / unit.length)))
    }
    return (performance.now() - started) / 1000
  }

  // What is quadratic in one of these takes minutes, but for the front matter, which is short for that.
  it('whatever it is', () => expect(seconds(30_000, units, places)).toBeLessThan(25))
  it('as a front matter', () => expect(seconds(6_000, units, frontMatters)).toBeLessThan(25))
  it('those of our own patterns at a megabyte', () => {
    expect(seconds(1_000_000, ['{{ ', 'max ', '*a* ', ']('], places)).toBeLessThan(25)
  })
})

it('does not fall where a front matter is as deep as it is long', () => {
  for (const unit of ['[', '{a: ', '- ', '? ', ': ', '[{', 'a: [\n']) {
    expect(validateRunbook(`---\n${unit.repeat(8_000)}\n---\ntext`).errors.map(({ rule }) => rule)).toContain('R1')
  }
})

it('and what its aliases stand for is not unfolded', () => {
  const names = 'abcdefghij'
  const lines = [...names].map(
    (name, at) => `${name}: &${name} [${Array(9).fill(at === 0 ? 'x' : `*${names[at - 1]}`)}]`,
  )
  expect(validateRunbook(`---\n${lines.join('\n')}\n---\ntext`).errors).toMatchObject([
    { rule: 'R1', line: 2, column: 1 },
  ])
})

it.each([
  ['has more than 524288 characters; JETTY_RUNBOOK_CHARACTERS sets the limit', 'x'.repeat(512 * 1024 + 1)],
  ['has more than 5000 lines; JETTY_RUNBOOK_LINES sets the limit', 'x\n'.repeat(5_000)],
  ['has more than 1000 keys and items', `---\nversion: "1"\n${'- \n'.repeat(1_000)}---\n`],
  ['has more than 64 anchors and aliases', `---\na: &a b\nc:\n${'- *a\n'.repeat(64)}---\n`],
])('says what there is too much of: it %s', (excess, text) => {
  expect(validateRunbook(text).errors.map(({ message }) => message)).toContainEqual(expect.stringContaining(excess))
})
