import { describe, expect, it } from 'vitest'
import { runbookTemplate } from './templates.ts'
import { validateRunbook } from './validate.ts'

const strict = runbookTemplate('Test', 'programmatic')
const rulesOf = (text: string, level: 'loose' | 'strict' = 'strict') => {
  const { errors, warnings } = validateRunbook(text, level)
  return { errors: errors.map(({ rule }) => rule), warnings: warnings.map(({ rule }) => rule) }
}

describe.each(['programmatic', 'rubric'] as const)('the %s template', (kind) => {
  it('has nothing wrong', () => {
    expect(validateRunbook(runbookTemplate('Test', kind), 'strict')).toEqual({
      valid: true,
      level: 'strict',
      errors: [],
      warnings: [],
    })
  })
})

const without = (part: string | RegExp, instead = ''): string => {
  const changed = strict.replace(part, instead)
  if (changed === strict) throw new Error(`nothing to change: ${part}`)
  return changed
}

/** Each rule: a text that breaks it, and the place where it is said to be. */
const broken: [rule: string, text: string, line: number, column: number][] = [
  ['V1', 'Write a poem to /app/results/poem.md.', 1, 1],
  ['V2', without('version: 1.0.0\n'), 1, 1],
  ['V3', without('evaluation: programmatic', 'evaluation: visual'), 3, 1],
  ['V4', without('## Objective', '## About this'), 1, 1],
  ['V4', without('## Final Checklist', '## The End'), 1, 1],
  ['V5', without(/validation_report\.json/g, 'other.json'), 1, 1],
  [
    'V8',
    without(/\| Status \| Criteria \|/, '| What | Else |').replace(
      '## Step 4: Evaluate the Results',
      '## Step 4: Look',
    ),
    1,
    1,
  ],
  ['V9', without(' (max 3 rounds)'), 1, 1],
  ['V10', without(/```sh\ncd[^`]+```/), 1, 1],
  ['V11', without('## Parameters', '## Other').replace(/\| Parameter \|/, '| Thing |'), 17, 59],
  ['R1', without('version: 1.0.0', 'version: "1.0.0'), 10, 14],
  ['R1', '---\n- a\n- b\n---\ntext', 2, 1],
  ['R1', '---\nversion: 1.0.0\nversion: 1.0.1\n---\ntext', 3, 1],
  ['R1', '---\ntimeout_sec: soon\n---\ntext', 2, 1],
  ['R1', '---\nversion: 1.0.0\nno end', 1, 1],
  ['R1', '---\nversion: 1.0.0\n---\n\n', 1, 1],
  ['R2', without('Read each file whole.', 'Read each {{kind_2}} file.'), 52, 11],
  ['R3', without('secrets: {}', 'secrets:\n  apify:\n    env: apify-token'), 10, 5],
  ['R4', without('agent: claude-code', 'agent: cloud-code'), 4, 1],
  ['R4', without('model_provider: openrouter', 'model_provider: replicate'), 6, 1],
  ['R4', without('model: anthropic/claude-sonnet-4.6', 'model: claude-sonnet-4-6'), 5, 1],
  [
    'R4',
    without('agent: claude-code', 'agent: codex').replace('model_provider: openrouter', 'model_provider: google'),
    6,
    1,
  ],
  ['R5', without('  - report.md', '  - other.md'), 9, 1],
  ['R6', without('`{{results_dir}}/summary.md`', '`/app/summary.md`'), 25, 1],
  ['R6', without('  - report.md', '  - ../report.md'), 9, 1],
  ['R7', without('max 3 rounds', 'max 0 rounds'), 68, 1],
]

it.each(broken)('%s finds what breaks it, at its place', (rule, text, line, column) => {
  const { errors, valid } = validateRunbook(text, 'strict')
  expect(valid).toBe(false)
  expect(errors.filter((error) => error.rule === rule)).toContainEqual(expect.objectContaining({ line, column }))
})

const worthALook: [rule: string, text: string][] = [
  ['V6', without(/summary\.md/g, 'short.md')],
  ['V7', without('primary_outputs:\n  - report.md\n')],
  ['V12', without('## Tips', '## More')],
  ['V12', without('## Dependencies', '## What It Takes')],
  ['V13', without('Read each file whole.', 'Read {TODO: which files}.')],
  ['R1', without('snapshot: python312-uv', 'snapshott: python312-uv')],
  ['R2', without('| Subject |', '| Depth | `{{depth}}` | 3 | How deep |\n| Subject |')],
]

it.each(worthALook)('%s is a warning, at any level', (rule, text) => {
  expect(rulesOf(text).warnings).toContain(rule)
  expect(validateRunbook(text, 'strict').errors.map((error) => error.rule)).not.toContain(rule)
})

it('a loose runbook can be carried out, and is told what the format has beyond it', () => {
  const text = '---\nagent: codex\nmodel: gpt-5.5\n---\nWrite a poem to /app/results/poem.md.\nDone is: it rhymes.'
  const verdict = validateRunbook(text)
  expect(verdict).toMatchObject({ valid: true, level: 'loose', errors: [] })
  expect(verdict.warnings.length).toBeGreaterThan(5)
  expect(validateRunbook(text, 'strict')).toMatchObject({ valid: false, level: 'loose' })
})

/** As people write them: none of this is wrong. */
it.each([
  ['secrets as a list', without('secrets: {}', 'secrets:\n  - env: APIFY_API_TOKEN\n    required: false')],
  ['secrets that are null', without('secrets: {}', 'secrets:')],
  ['one primary output as text', without('primary_outputs:\n  - report.md', 'primary_outputs: report.md')],
  ['a version without quotes', without('version: 1.0.0', 'version: 1.2')],
  [
    'three columns of parameters',
    without(
      /\| Parameter \| Template Variable \| Default \| Description \|\n\| --- \| --- \| --- \| --- \|[\s\S]*?\n\n/,
      '| Parameter | Default | Description |\n| --- | --- | --- |\n| subject | none | What it is about |\n\n',
    ),
  ],
  [
    'parameters by their values',
    without(
      /\| Parameter \| Template Variable \| Default \| Description \|\n\| --- \| --- \| --- \| --- \|[\s\S]*?\n\n/,
      '| Parameter | Value | Description |\n| --- | --- | --- |\n| Subject | `{{subject}}` | What it is about |\n\n',
    ),
  ],
  ['a spaced placeholder', without(/\{\{results_dir\}\}/g, '{{ results_dir }}')],
  ['the hosted folder by its name', without(/\{\{results_dir\}\}/g, '/app/results')],
  ['a checklist that is a step', without('## Final Checklist', '## Step 7: Final Checklist')],
  ['a manifest without MANDATORY', without(' (MANDATORY)')],
  ['no step of the word Evaluate', without('## Step 4: Evaluate the Results', '## Step 4: Look at It')],
  [
    'origin and its notes',
    without('secrets: {}', 'secrets: {}\norigin:\n  url: https://example.com\n  attribution: { confidence: high }'),
  ],
  ['line ends of Windows', strict.replaceAll('\n', '\r\n')],
  ['a byte order mark', `\uFEFF${strict}`],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what such files say
  ['an expression of a CI file', without('Read each file whole.', 'Use ${{ secrets.TOKEN }} and ${{ matrix.os }}.')],
])('%s is not wrong', (_, text) => {
  expect(validateRunbook(text, 'strict').errors).toEqual([])
})

it('reads what was made to be slow, or to explode', () => {
  const started = performance.now()
  const aliases = [
    'a: &a [x,x,x,x,x,x,x,x,x]',
    ...[...'bcdefgh'].map((name, at) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[at]}`)}]`),
  ]
  validateRunbook(`---\n${aliases.join('\n')}\n---\ntext`)
  validateRunbook(`${'['.repeat(100_000)}`)
  validateRunbook(`${'> '.repeat(20_000)}x`)
  validateRunbook(`${'- '.repeat(20_000)}x`)
  validateRunbook(`# a${' '.repeat(400_000)}b`)
  validateRunbook(`# ${'#'.repeat(400_000)}b`)
  validateRunbook(`max${' '.repeat(200_000)}`.repeat(2))
  validateRunbook(`|${'a|'.repeat(100_000)}\n|${'-|'.repeat(100_000)}\n`)
  validateRunbook('{{'.repeat(100_000))
  expect(performance.now() - started).toBeLessThan(20_000)
})
