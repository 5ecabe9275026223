// Each rule of the format and of this server: a text that breaks it alone, and where it says so.
import { describe, expect, it } from 'vitest'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'
import { changed, written } from './written.ts'

const strict = written('strict')
const rubric = written('rubric')
const but = (part: string | RegExp, instead = '') => changed(strict, part, instead)

type Found = [rule: string, line: number, column: number]
const foundIn = (text: string, level: 'loose' | 'strict') => {
  const { errors, warnings, parameters: _, ...verdict } = validateRunbook(text, level)
  const short = ({ rule, line, column }: (typeof errors)[number]): Found => [rule, line, column]
  return { ...verdict, errors: errors.map(short), warnings: warnings.map(short) }
}

it('a runbook that keeps to all of them', () => {
  expect(foundIn(strict, 'strict')).toEqual({ valid: true, level: 'strict', errors: [], warnings: [] })
})

const noSection = (title: string) => but(`## ${title}`, '## Something')
const manyRows = Array.from({ length: 210 }, (_, at) => `| \`{{results_dir}}/${at}.md\` | x |`).join('\n')

/** It can be carried out all the same: an error where the strict format is asked for, else a warning. */
const missing: [what: string, text: string, found: Found[]][] = [
  ['V1: no front matter', but(/^---[\s\S]*?\n---\n/), [['V1', 1, 1]]],
  ['V2: no version', but('version: "1.0.0"\n'), [['V2', 1, 1]]],
  [
    'V2: neither of them',
    but(/version: .*\nevaluation: .*\n/),
    [
      ['V2', 1, 1],
      ['V2', 1, 1],
    ],
  ],
  ['V2: an empty one', but('evaluation: programmatic', 'evaluation:'), [['V2', 1, 1]]],
  ['V3: an evaluation that the format has not', but('programmatic', 'visual'), [['V3', 3, 1]]],
  ['V4: no objective', noSection('Objective'), [['V4', 1, 1]]],
  ['V4: no table of output files', but('| File | Description |', '| Which | Why |'), [['V4', 1, 1]]],
  [
    'V4: no final checklist',
    changed(noSection('Final Checklist'), '```sh\ntest', '## Verification\n\n```sh\ntest'),
    [['V4', 1, 1]],
  ],
  ['V5: no report', but(/validation_report\.json/g, 'other.json'), [['V5', 1, 1]]],
  [
    'V8: nothing evaluates',
    changed(noSection('Step 3: Evaluate the Table'), /\| (Status|Issue) \|/g, '| Word |'),
    [['V8', 1, 1]],
  ],
  ['V9: no bound', but(' (max 3 rounds)'), [['V9', 1, 1]]],
  ['V10: no script', but(/```sh\ntest[^`]+```\n/), [['V10', 1, 1]]],
  [
    'V11: variables without a section',
    changed(noSection('Parameters'), '| Garden | `{{garden}}` |', '| Garden | it |'),
    [
      ['V11', 17, 20],
      ['R2', 17, 20],
    ],
  ],
  ['R2: a variable that no row declares', but('Read each list', 'Read each {{kind_2}} list'), [['R2', 49, 11]]],
  ['R2: one in the front matter', but('secrets: {}', 'verify: "grep {{what}} inventory.csv"'), [['R2', 8, 15]]],
  ['R5: a first output that no row has', but('  - inventory.csv', '  - summary.md\n  - other.csv'), [['R5', 11, 5]]],
  ['R7: no round at all', but('max 3 rounds', 'max 0 rounds'), [['R7', 58, 31]]],
]

describe('what is missing', () => {
  it.each(missing)('%s', (_, text, found) => {
    expect(foundIn(text, 'strict')).toMatchObject({ valid: false, level: 'loose', errors: found })
    const loose = foundIn(text, 'loose')
    expect(loose).toMatchObject({ valid: true, level: 'loose', errors: [] })
    expect(loose.warnings).toEqual(expect.arrayContaining(found))
  })
})

/** It cannot run until its errors are fixed: an error, whoever asks. */
const wrong: [what: string, text: string, found: Found[]][] = [
  ['R1: no YAML', but('"1.0.0"', '"1.0.0'), [['R1', 10, 18]]],
  ['R1: a key twice', but('evaluation: programmatic', 'version: 2'), [['R1', 3, 1]]],
  ['R1: a variable without quotes', but('  - inventory.csv', '  - {{results_dir}}/inventory.csv'), [['R1', 10, 20]]],
  ['R1: a list', '---\n- a\n- b\n---\ntext', [['R1', 2, 1]]],
  ['R1: no end', '---\nversion: 1.0.0\n\ntext', [['R1', 1, 1]]],
  ['R10: a heading alone', '# x', [['R10', 1, 1]]],
  ['R10: headings alone', '# One\n\n## Two ##\n', [['R10', 1, 1]]],
  ['R1: no text', '---\nversion: 1.0.0\n---\n \n', [['R1', 1, 1]]],
  [
    'R1: a host that is an address of a page',
    but('secrets: {}', 'allowed_hosts:\n  - "*.example.com:443"\n  - https://example.com/'),
    [['R1', 10, 5]],
  ],
  ['R1: a number that is none', but('secrets: {}', 'timeout_sec: soon'), [['R1', 8, 1]]],
  ['R1: a limit beyond the most', but('secrets: {}', 'timeout_sec: 7200'), [['R1', 8, 1]]],
  ['R1: an output that is no text', but('  - inventory.csv', '  - inventory.csv\n  - 7'), [['R1', 11, 5]]],
  [
    'R1: a secret in a list without its variable',
    but('secrets: {}', 'secrets:\n  - env: A\n  - {required: true}'),
    [['R1', 10, 5]],
  ],
  ['R1: a judge without a threshold', but('secrets: {}', 'verify:\n  judge: {rubric: good, model: m}'), [['R1', 9, 3]]],
  [
    'R1: a threshold that everything passes',
    but('secrets: {}', 'verify:\n  judge: {rubric: good, threshold: 1, model: m}'),
    [['R1', 9, 25]],
  ],
  ['R1: repairs without an end', but('secrets: {}', 'verify: {command: "true", repair_rounds: 21}'), [['R1', 8, 27]]],
  ['R1: a front matter of 40,000 characters', but('secrets: {}', `origin: {a: ${'a'.repeat(40_000)}}`), [['R1', 2, 1]]],
  [
    'R1: nested more deeply than anybody does',
    but('secrets: {}', `origin: {a: ${'['.repeat(100)}${']'.repeat(100)}}`),
    [['R1', 2, 1]],
  ],
  ['R3: a secret whose name is none of a variable', but('secrets: {}', 'secrets:\n  1seed:'), [['R3', 9, 3]]],
  [
    'R3: a secret whose variable cannot be one',
    but('secrets: {}', 'secrets:\n  seeds:\n    env: seed-token'),
    [['R3', 10, 5]],
  ],
  ['R3: the same in a list', but('secrets: {}', 'secrets:\n  - env: SEEDS\n  - env: 1SEED'), [['R3', 10, 5]]],
  ['R4: an agent that there is not', but('claude-code', 'cloud-code'), [['R4', 4, 1]]],
  ['R4: a provider that there is not', but('openrouter', 'replicate'), [['R4', 6, 1]]],
  ['R4: a model of another provider', but('anthropic/claude-sonnet-4.6', 'claude-sonnet-4-6'), [['R4', 5, 1]]],
  [
    'R4: a provider that the agent cannot ask',
    changed(but('claude-code', 'codex'), 'openrouter', 'google'),
    [['R4', 6, 1]],
  ],
  ['R6: a file that would not be collected', but('`{{results_dir}}/summary.md`', '`/tmp/summary.md`'), [['R6', 25, 1]]],
  ['R6: a first output above the results', but('  - inventory.csv', '  - ../inventory.csv'), [['R6', 10, 5]]],
  [
    'R9: more files than are looked for',
    but('| `{{results_dir}}/summary.md` | What was counted, in ten lines |', manyRows),
    [['R9', 223, 1]],
  ],
]

describe('what is wrong', () => {
  it.each(wrong)('%s', (_, text, found) => {
    for (const level of ['loose', 'strict'] as const) {
      const verdict = foundIn(text, level)
      expect(verdict).toMatchObject({ valid: false, level: null })
      expect(verdict.errors).toEqual(expect.arrayContaining(found))
      if (level === 'loose') expect(verdict.errors).toEqual(found)
    }
  })
})

it('R8: a script is enough for programmatic, whatever tables there are', () => {
  const text = but('| Status | Criteria |', '| Status | Meaning |')
  expect(foundIn(text, 'strict')).toEqual({ valid: true, level: 'strict', errors: [], warnings: [] })
})

it('V7: the first file of the table is enough, where it is no account of the work', () => {
  const text = but(/primary_outputs:\n.*\n/)
  expect(foundIn(text, 'strict')).toEqual({ valid: true, level: 'strict', errors: [], warnings: [] })
})

/** Worth a look: never an error. */
const advice: [what: string, text: string, found: Found[]][] = [
  ['V6: no summary', but(/summary\.md/g, 'short.md'), [['V6', 1, 1]]],
  [
    'V7: nothing to see first',
    changed(but(/primary_outputs:\n.*\n/), /\| `[^|]*inventory\.csv`.*\n/, ''),
    [['V7', 1, 1]],
  ],
  ['V12: no dependencies', noSection('Dependencies'), [['V12', 1, 1]]],
  ['V12: no tips', noSection('Tips'), [['V12', 1, 1]]],
  ['V13: something is left to write', but('Read each list', 'Read {TODO: which?}'), [['V13', 49, 6]]],
  ['V13: the same in the front matter', but('"1.0.0"', '"{TODO: which?}"'), [['V13', 2, 11]]],
  ['R1: a key that nothing reads', but('snapshot:', 'snapshott:'), [['R1', 7, 1]]],
  ['R1: one of a check', but('secrets: {}', 'verify:\n  command: "true"\n  timeout: 3'), [['R1', 10, 3]]],
  ['R1: a judge beside a command', but('secrets: {}', 'verify:\n  command: "true"\n  judge: {}'), [['R1', 10, 3]]],
  [
    'R2: a parameter that is used nowhere',
    but('| Garden |', '| Depth | `{{depth}}` | 3 | How deep |\n| Garden |'),
    [['R2', 33, 1]],
  ],
  ['R8: statuses where scores are meant', but('programmatic', 'rubric'), [['R8', 51, 1]]],
  [
    'R8: a rubric without a table',
    changed(but('programmatic', 'rubric'), '| Status | Criteria |', '| Status | Meaning |'),
    [['R8', 3, 1]],
  ],
  ['R8: no statuses', changed(rubric, 'evaluation: rubric', 'evaluation: programmatic'), [['R8', 41, 1]]],
  [
    'R9: a row that names no file',
    but('| `{{results_dir}}/summary.md` |', '| What was counted, see below |'),
    [['R9', 25, 1]],
  ],
]

describe('what is worth a look', () => {
  it.each(advice)('%s', (_, text, found) => {
    expect(foundIn(text, 'strict')).toEqual({ valid: true, level: 'strict', errors: [], warnings: found })
  })
})

it('every finding says what to write instead', () => {
  for (const [, text] of [...missing, ...wrong, ...advice]) {
    const { errors, warnings } = validateRunbook(text, 'strict')
    for (const { message, fix } of [...errors, ...warnings]) {
      expect(message).toMatch(/\S/)
      expect(fix).toMatch(/\w.*[.?]|Add /)
    }
  }
})
