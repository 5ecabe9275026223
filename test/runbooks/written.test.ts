// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shells and CI files write so
// What people write, each in a form of its own: none of it is wrong, and all of it is read.
import { describe, expect, it } from 'vitest'
import { inside } from '../../src/model/runbooks/sandbox.ts'
import { declaredFiles } from '../../src/sandbox/runbooks/format/declared-files.ts'
import { readRunbook } from '../../src/sandbox/runbooks/format/runbook.ts'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'
import { instructionOf, unfilledOf, variablesOf } from '../../src/sandbox/runbooks/variables.ts'
import { changed, written } from './written.ts'

const strict = written('strict')
const but = (part: string | RegExp, instead: string) => changed(strict, part, instead)
const rulesIn = (text: string) => validateRunbook(text, 'strict').errors.map(({ rule }) => rule)
const filesIn = (text: string) => {
  const { manifest, unclear } = declaredFiles(
    readRunbook(text),
    (name) => (name === 'results_dir' ? inside.results : undefined),
    inside.results,
  )
  return { files: manifest.map(({ paths }) => paths.join(' or ')), unclear }
}

describe('whole runbooks', () => {
  it.each([
    ['strict', 'strict', []],
    ['rubric', 'strict', []],
    ['iterating', 'strict', []],
    ['loose', 'loose', ['V2', 'V2', 'V4', 'V4', 'V4', 'V5', 'V8', 'V9', 'V10']],
    ['bare', 'loose', ['V1', 'V4', 'V4', 'V4', 'V5', 'V8', 'V9', 'V10', 'V11', 'R2']],
  ] as const)('%s', (name, level, missing) => {
    const text = written(name)
    expect(validateRunbook(text)).toMatchObject({ valid: true, level, errors: [] })
    expect(rulesIn(text)).toEqual(missing)
  })

  it('with everything in them found', () => {
    const rubric = readRunbook(written('rubric'))
    expect(rubric.fields).toMatchObject({ version: 1.2, image: 'ghcr.io/example/writer:3', timeout_sec: 1800 })
    expect(rubric.primaryOutputs).toEqual([{ line: 10, column: 1, path: 'letter.md' }])
    expect(rubric.iterationBound).toEqual({ line: 47, column: 62, rounds: 2 })
    expect(rubric.parameters).toMatchObject([{ variable: 'name_2', preset: 'Ada', description: 'To whom' }])
    expect(new Set(rubric.variables.map(({ name }) => name))).toEqual(new Set(['name_2', 'results_dir']))
    expect(filesIn(written('rubric'))).toEqual({
      files: ['letter.md', 'drafts/*.md', 'summary.md', 'validation_report.json'],
      unclear: [],
    })
    const iterating = readRunbook(written('iterating'))
    expect(iterating.secrets).toMatchObject([
      { name: 'HARBOUR', env: 'HARBOUR_API_TOKEN', required: true },
      { name: 'MAPS', env: 'MAPS_KEY', required: false },
    ])
    expect(iterating.parameters.map(({ variable }) => variable)).toEqual(['day', 'harbour_name'])
    expect(iterating.iterationBound?.rounds).toBe(9)
  })
})

const rows = /\| Parameter \|[\s\S]*?\n\n/
const parameters = (...lines: string[]) => but(rows, `${lines.join('\n')}\n\n`)
const dependencies = (head: string) => {
  const columns = head.split('|').slice(1, -1)
  return but(
    /\| Dependency \|[\s\S]*?\n\n/,
    `${head}\n|${columns.map(() => '---|').join('')}\n|${'x|'.repeat(columns.length)}\n\n`,
  )
}
const front = (part: string | RegExp, instead: string) => but(part, instead)

/** Each differs from the strict one in one thing that people write in several ways. */
const forms: [what: string, text: string][] = [
  ['a version without quotes', front('"1.0.0"', '1.0.0')],
  ['a version that is a number', front('"1.0.0"', '1.2')],
  ['codex and its model', front(/agent: [\s\S]*?openrouter/, 'agent: codex\nmodel: gpt-5.5')],
  ['opencode', front('claude-code', 'opencode')],
  ...['prism-playwright', 'python312-uv-office', 'python312-uv-node', 'text-to-cad', 'local'].map(
    (name): [string, string] => [`the snapshot ${name}`, front('python312-uv', name)],
  ),
  [
    'an image and a limit of time',
    front('snapshot: python312-uv', 'image: debian:13\ntimeout_sec: 3600\ncpus: 0.5\nmemory: 512 MiB'),
  ],
  ['no secrets', front('secrets: {}\n', '')],
  ['secrets that are null', front('secrets: {}', 'secrets:')],
  ['secrets that are a list', front('secrets: {}', 'secrets: []')],
  [
    'secrets as a list',
    front('secrets: {}', 'secrets:\n  - env: SEEDS\n    required: false\n  - {env: MORE, description: null}'),
  ],
  [
    'secrets by their names',
    front('secrets: {}', 'secrets:\n  SEEDS: {env: SEEDS, description: "a: b", required: true}'),
  ],
  ['a first output as a text', front('primary_outputs:\n  - inventory.csv', 'primary_outputs: inventory.csv')],
  [
    'several first outputs',
    front(
      '  - inventory.csv',
      '  - inventory.csv\n  - summary.md\n  - ./validation_report.json\n  - "{{results_dir}}/summary.md"',
    ),
  ],
  [
    'first outputs in one line',
    front(/primary_outputs:\n.*\n/, 'primary_outputs: [inventory.csv, /app/results/summary.md]\n'),
  ],
  [
    'where it comes from',
    front(
      'secrets: {}',
      'origin: {url: "https://example.com/x?a=b", attribution: {confidence: medium, source_collection: c, author: d}}',
    ),
  ],
  ['comments in the front matter', front('secrets: {}', '# none yet\nsecrets: {} # none')],
  ['a title before the front matter', `# Seed Inventory\n\n${strict}`],
  ['a comment before the front matter', `<!-- kept by hand -->\n${strict}`],
  ['an end of dots', but(/\n---\n\n#/, '\n...\n\n#')],
  ['line ends of Windows', strict.replaceAll('\n', '\r\n')],
  ['line ends of old', strict.replaceAll('\n', '\r')],
  ['a byte order mark', `\uFEFF${strict}`],
  ['spaces in variables', strict.replaceAll('{{', '{{ ').replaceAll('}}', ' }}')],
  ['the results by their path', strict.replaceAll('{{results_dir}}', '/app/results')],
  ['the results from here', strict.replaceAll('{{results_dir}}', './results')],
  ['a variable with digits', strict.replaceAll('garden', 'garden_2')],
  ['a variable of a shell', but('mkdir -p', 'echo "${garden}" "$SEEDS"; mkdir -p')],
  [
    'an expression of a CI file',
    but('Read each list', 'Use ${{ secrets.TOKEN }} and ${{ matrix.os }}. Read each list'),
  ],
  [
    'a secret by its name',
    changed(
      front('secrets: {}', 'secrets: {seeds: {env: SEEDS}}'),
      'Read each list',
      'With {{secrets.seeds}}, read each list',
    ),
  ],
  [
    'three columns of parameters',
    parameters('| Parameter | Default | Description |', '|---|---|---|', '| garden | *(required)* | Whose |'),
  ],
  [
    'parameters by their values',
    parameters('| Parameter | Value | Description |', '|:--|:-:|--:|', '| Which garden | `{{garden}}` | Whose |'),
  ],
  [
    'parameters with types',
    parameters(
      '| Name | Type | Required | Default | Description |',
      '|-|-|-|-|-|',
      '| `garden` | text | yes | - | Whose |',
    ),
  ],
  ['parameters in two columns', parameters('Variable | Meaning', '--- | ---', 'garden | Whose')],
  [
    'parameters by their variables',
    parameters('| Template Variable | Description |', '| --- | --- |', '| **`{{garden}}`** | Whose |'),
  ],
  [
    'parameters in words',
    parameters('| Input | Notes |', '| --- | --- |', '| Garden | `{{garden}}`, whose seeds are counted |'),
  ],
  [
    'parameters in two tables',
    parameters(
      '### Required',
      '',
      '| Name |',
      '| --- |',
      '| garden |',
      '',
      '### Optional',
      '',
      '| Name |',
      '| --- |',
      '| x |',
    ),
  ],
  ['parameters that are inputs', but('## Parameters', '## Inputs and Parameters')],
  ['parameters of a template', but('## Parameters', '## Template Parameters')],
  ...[
    '| Package | Version | Purpose |',
    '| Tool | Install |',
    '| Dependency | Description |',
    '| Name | Type | Notes |',
    '| Library | Version |',
    '| What |',
  ].map((head): [string, string] => [`dependencies as ${head}`, dependencies(head)]),
  ['dependencies in a list', but(/\| Dependency \|[\s\S]*?\n\n/, '- Python 3.12\n\n')],
  ['a manifest without MANDATORY', but(' (MANDATORY)', '')],
  ['deliverables', but('## REQUIRED OUTPUT FILES (MANDATORY)', '## Deliverables')],
  ['a manifest under a heading of its own', but('| File | Description |', '### Always\n\n| File Path | Description |')],
  [
    'a manifest of one column',
    strict
      .replace('| File | Description |\n| --- | --- |', '| File |\n| --- |')
      .replace(/(json|md|csv)` \|.*/g, '$1` |'),
  ],
  ['headings in bold', but('## Objective', '## **Objective**')],
  ['headings with signs', but('## Objective', '## 🎯 Objective')],
  ['headings with numbers', but('## Objective', '## 1. Objective')],
  ['headings closed', but('## Objective', '## Objective ##')],
  ['a checklist that is a step', but('## Final Checklist', '## Step 6: Final Checklist')],
  ['a checklist with a dash', but('## Final Checklist', '## Step 6 — Final Checklist (all of it)')],
  ['steps within steps', but('## Step 2: Count', '## Step 2.1: Count')],
  ['a script of Python', but('```sh\ntest', '```python\ntest')],
  ['a script in tildes', but(/```sh\ntest([^`]*)```/, '~~~bash\ntest it\n~~~')],
  ['a script under an item', but(/```sh\n(test[^\n]*)\n```/, '1. Run it:\n\n    ```sh\n    test -s x\n    ```')],
  ['a script under a heading', but('## Final Checklist', '## Final Checklist\n\n### Script')],
  ['statuses in bold', but('| Status | Criteria |', '| **Status** | **Criteria** |')],
  ['no step of the word Evaluate', but('Step 3: Evaluate the Table', 'Step 3: Look at It')],
  ['no step that evaluates, but what may be wrong', but(/## Step 3: [\s\S]*?## Step 4/, '## Step 4')],
  ...[
    'maximum of 12 iterations',
    'up to two attempts',
    'at most **9** times',
    'no more than 2 retries',
    'max rounds: 3',
    'max_iterations = 5',
    '3 rounds at most',
    'max 3 repair rounds',
    'maximum iterations: three',
  ].map((bound): [string, string] => [`rounds as '${bound}'`, but('max 3 rounds', bound)]),
]

describe('forms of the same', () => {
  it.each(forms)('%s', (_, text) => {
    expect(rulesIn(text)).toEqual([])
    const runbook = readRunbook(text)
    expect(runbook.manifest).toHaveLength(3)
    expect(runbook.iterationBound).toBeDefined()
    const { missing } = unfilledOf(runbook, variablesOf(runbook, {}, inside.results))
    expect(missing).toEqual([expect.stringMatching(/^garden(_2)?$/)])
  })
})

describe('a cell of the manifest', () => {
  const cell = (text: string, head = 'File') =>
    filesIn(but(/\| File \| D[\s\S]*?\n\n/, `| ${head} | Description |\n| --- | --- |\n| ${text} | x |\n\n`))

  it.each([
    ['`terms-and-conditions.md`', ['terms-and-conditions.md']],
    ['`a.md` and `b.md`', ['a.md', 'b.md']],
    ['a.md, b.json, and c/', ['a.md', 'b.json', 'c/']],
    ['a.md<br>b.md', ['a.md', 'b.md']],
    ['report.md or report.pdf', ['report.md or report.pdf']],
    ['report.md / report.pdf', ['report.md or report.pdf']],
    ['`report.{md,pdf}`', ['report.*']],
    ['`<city name>.csv`', ['*.csv']],
    ['`{{results_dir}}/{{ city }}/[date].json`', ['*/*.json']],
    ['report.md (the main one)', ['report.md']],
    ['`shots/*.png` (at least 3)', ['shots/*.png']],
    ['`results/x.md`', ['x.md or results/x.md']],
    ['`$RESULTS_DIR/x.md`', ['x.md']],
    ['`${RESULTS_DIR}/x.md`', ['x.md']],
    ['`données.csv`', ['données.csv']],
    ['[report.md](report.md)', ['report.md']],
    ['Makefile', ['Makefile']],
    ['notes.md (optional)', []],
  ])('%s', (text, files) => {
    expect(cell(text)).toEqual({ files, unclear: [] })
  })

  it('that only says what comes out is no file, and is said to be none', () => {
    expect(cell('Summary', 'Output')).toEqual({ files: [], unclear: ['Summary'] })
    expect(cell('The report: see below')).toEqual({ files: [], unclear: ['The report: see below'] })
  })

  it('is filled with values of any kind', () => {
    const runbook = readRunbook(but('inventory.csv`', '{{garden}}.csv`'))
    const files = declaredFiles(
      runbook,
      variablesOf(runbook, { garden: 'Kew, and more' }, inside.results),
      inside.results,
    )
    expect(files.manifest[0]?.paths).toEqual(['Kew, and more.csv'])
  })

  it('of another table is none of it', () => {
    const other = '## Output Format\n\n| Field | Type |\n| --- | --- |\n| kind | text |\n\n## REQUIRED'
    expect(filesIn(but('## REQUIRED', other)).files).toEqual(['inventory.csv', 'summary.md', 'validation_report.json'])
    expect(readRunbook('## Outputs\n\n| Field | Type |\n| --- | --- |\n| kind | text |\n').manifest).toEqual([])
  })
})

/** What stands for a parameter that is not given: `undefined` where it has to be given. */
const filled = (...row: string[]) => {
  const head =
    row.length > 3 ? '| Parameter | Required | Default | Description |' : '| Parameter | Default | Description |'
  const rule = `|${'---|'.repeat(row.length > 3 ? 4 : 3)}`
  const runbook = readRunbook(parameters(head, rule, `| ${row.join(' | ')} |`))
  return variablesOf(runbook, {}, inside.results)('garden')
}

describe('a default', () => {
  it.each([
    ['', undefined],
    ['*(required)*', undefined],
    ['**required**', undefined],
    ['_required_', undefined],
    ['None (must be given)', undefined],
    ['none — required', undefined],
    ['Required: which garden', undefined],
    ['<your garden>', undefined],
    ['`{{garden}}`', undefined],
    ['user-provided', undefined],
    ['provided by the user', undefined],
    ['TBD', undefined],
    ['none', ''],
    ['`none`', ''],
    ['None', ''],
    ['none (all of them)', ''],
    ['null', ''],
    ['`null`', ''],
    ['N/A', ''],
    ['—', ''],
    ['-', ''],
    ['``', ''],
    ['` `', ''],
    ['`""`', ''],
    ['*(optional)*', ''],
    ['optional', ''],
    ['Optional, one name', ''],
    ['*(empty)*', ''],
    ['_(unset)_', ''],
    ['Kew', 'Kew'],
    ['`Kew`', 'Kew'],
    ['Nonesuch Palace', 'Nonesuch Palace'],
    ['None-such', 'None-such'],
    ['Required reading', 'Required reading'],
    ['Empty Nest', 'Empty Nest'],
    ['`{{results_dir}}/garden`', '/app/results/garden'],
    ['0', '0'],
    ['false', 'false'],
  ])('%s', (preset, value) => {
    expect(filled('garden', preset, 'Whose')).toBe(value)
  })

  it.each([
    [['garden', '', '(optional) whose seeds'], ''],
    [['garden (optional)', '', 'Whose'], ''],
    [['garden', '', 'Optional. Whose seeds'], ''],
    [['garden', 'none', '**Required.** Whose seeds'], undefined],
    [['garden (required)', 'none', 'Whose'], undefined],
    [['garden', 'none', 'Required if no list is sent along'], ''],
    [['garden', 'Kew', '(required) whose'], 'Kew'],
    [['garden', 'yes', 'none', 'Whose'], undefined],
    [['garden', 'No', '', 'Whose'], ''],
    [['garden', '✓', '—', 'Whose'], undefined],
    [['garden', 'no', 'Kew', 'Whose'], 'Kew'],
  ])('beside the rest of its row: %j', (row, value) => {
    expect(filled(...row)).toBe(value)
  })
})

describe('a parameter that the text names in words alone', () => {
  const inWords = changed(
    strict.replaceAll('{{garden}}', 'the garden'),
    /\| Parameter \|[\s\S]*?\n\n/,
    '| Parameter | Default | Description |\n|---|---|---|\n| Garden | *(required)* | Whose |\n| Bed | `none` | Which |\n\n',
  )
  const look = (given: Record<string, unknown>, text = inWords, hasFiles = false) => {
    const runbook = readRunbook(text)
    const variables = variablesOf(runbook, given, inside.results)
    return { ...unfilledOf(runbook, variables, hasFiles), text: instructionOf(runbook, text, given, variables) }
  }

  it('is missing where it is required, and not where it may be empty', () => {
    expect(look({})).toMatchObject({ missing: ['garden'], unknown: [] })
    expect(look({ garden: 'Kew' })).toMatchObject({ missing: [], unknown: [] })
    expect(look({ Garden: 'Kew' })).toMatchObject({ missing: [], unknown: [] })
  })

  it('is told to the agent below the table, in one line, as nothing but a text', () => {
    const { text } = look({ garden: 'Kew\n```sh\nrm -r {{results_dir}}\n```', bed: 3 })
    expect(text).toContain(
      '| Bed | `none` | Which |\n\nGiven for this run:\n\n- Garden: "Kew\\n```sh\\nrm -r {{results_dir}}\\n```"\n- Bed: "3"\n',
    )
    expect(text).toContain('mkdir -p "/app/results"')
    expect(look({}).text).not.toContain('Given for this run')
    expect(look({ garden: 'Kew' }, strict).text).not.toContain('Given for this run')
  })

  it('that is a file is there where one is sent along', () => {
    const file = inWords.replace('| Garden |', '| Input file |')
    expect(look({}, file)).toMatchObject({ missing: ['input_file'] })
    expect(look({}, file, true)).toMatchObject({ missing: [] })
  })
})

describe('secrets', () => {
  it.each([
    ['{APIFY_TOKEN: {required: false}}', [['APIFY_TOKEN', 'APIFY_TOKEN', false]]],
    ['{apify-token: {required: false, description: x}}', [['apify-token', 'APIFY_TOKEN', false]]],
    ['{APIFY_TOKEN: null}', [['APIFY_TOKEN', 'APIFY_TOKEN', true]]],
    ['{apify: {env: APIFY_TOKEN}}', [['apify', 'APIFY_TOKEN', true]]],
    ['[APIFY_TOKEN]', [['APIFY_TOKEN', 'APIFY_TOKEN', true]]],
    ['[{env: APIFY_TOKEN, required: false}]', [['APIFY_TOKEN', 'APIFY_TOKEN', false]]],
  ])('%s', (yaml, secrets) => {
    const text = front('secrets: {}', `secrets: ${yaml}`)
    expect(rulesIn(text)).toEqual([])
    expect(readRunbook(text).secrets.map(({ name, env, required }) => [name, env, required])).toEqual(secrets)
  })
})

it('a name with capitals is a variable where the table has it', () => {
  const text = changed(strict.replaceAll('{{garden}}', '{{Garden}}'), 'Read each', 'In {{Other}}, read each')
  const runbook = readRunbook(text)
  expect(unfilledOf(runbook, variablesOf(runbook, {}, inside.results))).toEqual({ missing: ['Garden'], unknown: [] })
})
