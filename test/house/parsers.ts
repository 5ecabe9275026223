/**
 * Everything that reads a language in which tenants write, with inputs that take it longest of those it accepts. What
 * works in the server's thread keeps it for 50 ms at most, at once or until its next piece; all else is loaded in
 * limited processes alone.
 */
import busboy from 'busboy'
import { labelInText, yesOrNo } from '../../src/activities/judge/read-label.ts'
import { objectsIn } from '../../src/activities/judge/read-verdict.ts'
import { parseRange } from '../../src/api/files/serve.ts'
import { matcherOf } from '../../src/api/logs/routes.ts'
import { cronFault } from '../../src/background/routines/cadence.ts'
import { parseReference } from '../../src/engine/program/paths.ts'
import { compilePieces } from '../../src/engine/program/program.ts'
import { readAsked } from '../../src/gateway/read-call.ts'
import { formAsJson, readForm } from '../../src/gateway/read-form.ts'
import { readJsonBytes } from '../../src/gateway/record/inline-files.ts'
import { globMatcher } from '../../src/lib/files/glob.ts'
import { essenceOf } from '../../src/lib/files/media-type.ts'
import { parsePieces, smallJson } from '../../src/lib/json/large-json.ts'
import { issuesBy, checks as schemaChecks } from '../../src/lib/json-schema/json-schema.ts'
import { measureJson } from '../../src/lib/memory/json-memory.ts'
import { linearRegex } from '../../src/lib/regex/linear-regex.ts'
import type { Pieces } from '../../src/lib/slices.ts'
import { compileStatement, statementFault } from '../../src/lib/sql/statement.ts'
import { BaggageError, parseBaggage } from '../../src/lib/text/baggage.ts'
import { findCsvDelimiter } from '../../src/lib/text/csv.ts'
import { fillPlaceholders } from '../../src/lib/text/placeholders.ts'
import { readTrace } from '../../src/lib/text/trace-context.ts'
import { hasModelForm } from '../../src/sandbox/runbooks/format/model-names.ts'
import { validateRunbook } from '../../src/sandbox/runbooks/format/validate.ts'
import { fillCommand } from '../../src/sandbox/runbooks/verify/fill-command.ts'
import { readSpan } from '../../src/traces/conventions.ts'
import { countValues, decodeExport, readSpans } from '../../src/traces/otlp.ts'

const labelsRead = (text: string): unknown => {
  try {
    return parseBaggage(text)
  } catch (error) {
    if (error instanceof BaggageError) return error.message
    throw error
  }
}

interface Row {
  /** Files of src that read it. */
  files: readonly string[]
  /** Packages that read it there. */
  packages?: readonly string[]
  /** Inputs by name, each with the work that reads it: at once, or in pieces. */
  inThread?: Record<string, () => unknown>
  inPieces?: Record<string, () => Pieces<unknown>>
  /** Instead of 50 ms, with a comment that says why. */
  mostMs?: number
}

function* readThisForm(bytes: Buffer): Pieces<unknown> {
  return yield* formAsJson(yield* readForm(bytes, 'multipart/form-data; boundary=b'))
}

/** As many repetitions as have that length. */
const filled = (unit: string, length: number, before = ''): string =>
  before + unit.repeat(Math.floor((length - before.length) / unit.length))

const byUnit = <Work>(units: readonly string[], work: (unit: string) => Work): Record<string, () => Work> =>
  Object.fromEntries(units.map((unit) => [unit.slice(0, 40), () => work(unit)]))

/** The same for inputs that take as long to make as to read. */
const prepared = <Input, Work>(
  units: readonly string[],
  { make, work }: { make: (unit: string) => Input; work: (input: Input) => Work },
): Record<string, () => Work> => {
  const made = new Map<string, Input>()
  return byUnit(units, (unit) => {
    const input = made.get(unit) ?? make(unit)
    made.set(unit, input)
    return work(input)
  })
}

const kib = 1024
const mostBody = 16 * kib * kib
const mostHeader = 16 * kib

const runbook = (unit: string, before = '') => validateRunbook(filled(unit, 512 * kib, before))
/** As many lines as a runbook may have. */
const rows = (row: string, before = '') => validateRunbook(before + `${row}\n`.repeat(4_980))
const parameters = '# T\n\n## Parameters\n\n| Name | Default |\n|--|--|\n'
const outputs = '# T\n\n## Required Output Files\n\n| File | D |\n|--|--|\n'
const frontMatter = (unit: string, before = '') => validateRunbook(`---\n${filled(unit, 32 * kib, before)}\n---\n# T\n`)
const numbered = (make: (at: number) => string) => Array.from({ length: 6_000 }, (_, at) => make(at)).join('')
const members = (count: number) => Array.from({ length: count }, (_, at) => `"m${at}":0`).join(',')
/** Reads what may be refused on the way. */
function* tried(pieces: Pieces<unknown>): Pieces<unknown> {
  try {
    return yield* pieces
  } catch (error) {
    return error
  }
}
/** Messages of OTLP in protobuf, as hexadecimal digits, that have many values in few bytes. */
const denseMessages = ['0a00', '0a021200', '0a0412021200', '1801']
/** The spans of one sender with more attributes than a span may have. */
const manyAttributes = `{"scopeSpans":[{"spans":[{"traceId":"${'ab'.repeat(16)}","spanId":"${'ab'.repeat(8)}",
  "startTimeUnixNano":"1767607200000000000","attributes":[${filled('{"key":"a","value":{"arrayValue":{"values":[{},{},{}]}}},', 2 * kib * kib).slice(0, -1)}]}]}]}`
const refused = (work: () => unknown): unknown => {
  try {
    return work()
  } catch (error) {
    return error
  }
}

const pattern = (source: string): Pieces<unknown> => {
  const made = linearRegex(source)
  if (!('test' in made)) throw new Error(`not a pattern that is accepted: ${source}`)
  return made.test('a'.repeat(100_000), 5_000_000)
}

export const parsers: Record<string, Row> = {
  JSONata: { files: ['activities/shaping/evaluate.ts'], packages: ['jsonata'] },
  'YAML, HTML, XML and CSV of steps': {
    files: ['activities/shaping/read-document.ts'],
    packages: ['htmlparser2'],
  },
  'PDF of steps': { files: ['activities/shaping/read-pdf.ts'], packages: ['unpdf'] },
  'Markdown of steps': {
    files: ['activities/shaping/write-document.ts'],
    packages: ['micromark', 'micromark-extension-gfm'],
  },
  'previews of CSV, Parquet and ZIP': {
    files: ['datasets/preview/preview-file.ts', 'datasets/preview/parquet.ts', 'datasets/preview/parquet-lines.ts'],
    packages: ['hyparquet', 'hyparquet-compressors'],
  },
  Croissant: {
    files: ['json-ld', 'report', 'text-forms', 'validate'].map((name) => `datasets/croissant/${name}.ts`),
  },
  'regular expressions': {
    files: ['lib/regex/linear-regex.ts'],
    inThread: byUnit(['a{1000}', '(a|b){900}', '[a-z]', '\\p{L}', '(', '(?:', '(a?){500}', '\\b', '^*', 'a|'], (unit) =>
      linearRegex(filled(unit, 2_000)),
    ),
    inPieces: {
      'nested repetitions': () => pattern('(a*)*b'),
      'many ways': () => pattern('(a|a?){300}b'),
      'many characters': () => pattern(filled('[\\w\\W]?', 2_000)),
    },
  },
  'JSON Schema': {
    files: [
      'lib/json-schema/json-schema.ts',
      'lib/json-schema/schema-checker.ts',
      'lib/json-schema/schema-keywords.ts',
    ],
    inPieces: {
      'wide lists': () => {
        const schema = { items: { anyOf: Array(1_000).fill({ type: 'string' }) }, uniqueItems: true }
        const given = { checks: Object.entries(schemaChecks), budget: { left: 500_000 }, deepest: 32 }
        return issuesBy(
          given,
          schema,
          Array.from({ length: 50_000 }, (_, at) => at),
        )
      },
      'large constants': () => {
        const value = Array.from({ length: 10_000 }, (_, at) => ({ at }))
        const given = { checks: Object.entries(schemaChecks), budget: { left: 500_000 }, deepest: 32 }
        return issuesBy(given, { enum: Array.from({ length: 10 }, () => [...value, 1]) }, [...value, 2])
      },
    },
  },
  'YAML of runbooks': {
    files: ['sandbox/runbooks/format/front-matter.ts'],
    packages: ['yaml'],
    inThread: {
      ...byUnit(['a: b\n', '- *a\n', '-\n', '? \n', '#\n', '@\n', '<<: *a\n'], (unit) =>
        frontMatter(unit, 'a: &a {b: c}\n'),
      ),
      'a flow list': () => frontMatter(',', 'a: ['),
      'a flow map': () => frontMatter('a: b, ', 'a: {'),
      keys: () => frontMatter(numbered((at) => `${at}: \n`)),
      anchors: () =>
        frontMatter(
          numbered((at) => `a${at}: &x${at} [*x${at - 1}, *x${at - 1}]\n`),
          'a: &x-1 b\n',
        ),
    },
  },
  'Markdown of runbooks': {
    files: ['sandbox/runbooks/format/sections.ts', 'sandbox/runbooks/format/runbook.ts'],
    inThread: {
      ...byUnit(
        [
          '# a\n',
          '```\n',
          'a|b\n-|-\n',
          '|',
          '{{a}}',
          '{{',
          '[a](b)',
          ' *a',
          '`',
          '(',
          'max 9 ',
          'up to 9 ',
          '\\|',
          '- [ ] a\n',
        ],
        (unit) => runbook(unit),
      ),
      ...byUnit(['# a', 'a|b\n-|-', '|', '|`a`|x|', '## Step 1: a', `| \`a.json\` | ${'max 9 '.repeat(5)}`], (row) =>
        rows(row.includes('\n') ? '|' : row, outputs),
      ),
      'rows of parameters': () => rows(`| \`a\` | ${'max 9 '.repeat(14)}`, parameters),
      'rows of files': () => rows('| `a.json` or `b.json` | x |', outputs),
    },
  },
  'shell blocks of runbooks': {
    files: ['sandbox/runbooks/verify/fill-command.ts'],
    packages: ['unbash'],
    inThread: byUnit(
      [
        '$(',
        '"$(',
        '`',
        '((',
        '$((',
        '{ ',
        '( ',
        '${a:-',
        'if a; then ',
        '<<A\n',
        '<(',
        '[[ ( ',
        'a[',
        '$[',
        '{{a}} ',
        "'",
      ],
      (unit) => refused(() => fillCommand(filled(unit, 16 * kib, '{{a}} '), () => 'a b')),
    ),
  },
  templates: {
    files: ['lib/text/placeholders.ts', 'sandbox/runbooks/variables.ts'],
    inThread: byUnit(['{{', '{{a}}', '{{ {', '}}', 'a'], (unit) =>
      refused(() => fillPlaceholders(filled(unit, mostBody / 2, '{{a}}'), () => 'a b')),
    ),
  },
  SQL: {
    files: ['lib/sql/statement.ts'],
    inThread: {
      ...byUnit(['$1,', '$a$', ':a,', "'", '--\n', '/*', '(', 'a ', '"a"', "E'\\"], (unit) => {
        const statement = filled(unit, 100_000, 'select ')
        return [
          statementFault(statement, true),
          compileStatement(statement, { a: 1 }),
          compileStatement(statement, [1]),
        ]
      }),
      'many names': () => {
        const names = Array.from({ length: 14_000 }, (_, at) => `a${at}`)
        return compileStatement(`select :${names.join(',:')}`, Object.fromEntries(names.map((name) => [name, 1])))
      },
    },
  },
  'CSV of items': {
    files: ['api/batches/item-file.ts', 'lib/text/csv.ts'],
    packages: ['csv-parse'],
    inThread: byUnit([',', '"', '"",', '\n', '"a', ';', 'a;b,c\td|e\n'], (unit) =>
      findCsvDelimiter(filled(unit, 32 * kib), true),
    ),
  },
  'filters of logs': {
    files: ['api/logs/routes.ts'],
    inThread: {
      'a long event': () =>
        matcherOf({ types: [], text: `${'a'.repeat(199)}b` })({
          ...{
            timestamp: '',
            level: 'info',
            type: 'log',
            message: 'a'.repeat(64 * kib),
            attributes: { a: 'a'.repeat(64 * kib) },
          },
        } as never),
    },
  },
  'path expressions': {
    files: ['engine/program/paths.ts'],
    inThread: byUnit(['[*]', '.b', "['b']", '[1', "['"], (unit) => parseReference(filled(unit, 4_096, 'a'))),
  },
  'steps of workflows': {
    files: [
      'engine/program/program.ts',
      'engine/program/tools.ts',
      'engine/program/lint.ts',
      'engine/program/step-options.ts',
    ],
    inPieces: {
      'wrong references': () => {
        const names = Array.from({ length: 15_000 }, (_, at) => `step_${at}`)
        const configs = names.map((name, at) => [name, { activity: 'a', text_path: `step_${at}x.outputs.b` }])
        return compilePieces(
          { steps: names, step_configs: Object.fromEntries(configs), init_params: {} } as never,
          new Map() as never,
        )
      },
    },
  },
  cron: {
    files: ['background/routines/cadence.ts'],
    packages: ['croner'],
    inThread: byUnit(
      [
        '0 0 29 2 *',
        '0 0 31 2 *',
        '0 0 29 2 mon#5',
        '0 0 31 2,4,6,9,11 +mon',
        '0 0 29 2 +sun#5',
        `${'0-59,'.repeat(90)}0 * * * *`,
      ],
      (expression) => cronFault({ type: 'cron', expression, time_zone: 'Australia/Lord_Howe' }),
    ),
  },
  'model names': {
    files: ['sandbox/runbooks/format/model-names.ts'],
    inThread: byUnit(['a.', 'gemini-', '-', '/', 'arn:aws:bedrock:'], (unit) => {
      const name = filled(unit, 32 * kib)
      return (['bedrock', 'google', 'openrouter', 'anthropic', 'openai'] as const).map((one) => hasModelForm(name, one))
    }),
  },
  'patterns of file names': {
    files: ['lib/files/glob.ts', 'sandbox/runbooks/format/declared-files.ts'],
    inThread: byUnit(['*a', '**/', '?', '*'], (unit) => globMatcher(filled(unit, 1_024))('a'.repeat(1_024))),
  },
  'JSON of bodies': {
    files: ['http/input/body.ts', 'lib/json/large-json.ts', 'lib/memory/json-memory.ts', 'lib/json/json-object.ts'],
    inThread: byUnit(['{"a":', '[', '1,', '"a",', '{"a":0},'], (unit) =>
      refused(() => JSON.parse(`[${filled(unit, smallJson).replace(/,$/, '')}]`)),
    ),
    inPieces: {
      members: () => parsePieces(`{${members(100_000)}}`),
      lists: () => parsePieces(`[${Array(33_000).fill('[[],{}]').join(',')}]`),
      strings: () => parsePieces(`["${'\\n'.repeat(mostBody / 2)}"]`),
      'the count of members': () => measureJson(`{${members(1_000_000)}}`),
    },
  },
  // JavaScript makes room in an object of a million members, and collects garbage, in one piece of 60 ms.
  'JSON of bodies that are data': {
    files: ['lib/json/large-json.ts'],
    mostMs: 100,
    inPieces: {
      members: () => parsePieces(`{${members(1_000_000)}}`),
      lists: () => parsePieces(`[${Array(330_000).fill('[[],{}]').join(',')}]`),
      'a block of options': () =>
        readAsked(Buffer.from(`{"model":"a","jetty":{"a":[${'[[],[]],'.repeat(1_900_000)}[]]}}`), 'chat'),
    },
  },
  'JSON of the gateway': {
    files: ['gateway/read-call.ts', 'gateway/record/inline-files.ts'],
    inPieces: {
      ...prepared(['{"role":"user","content":"a"},', '"a",', '[[],[]],', `"${'\\"'.repeat(8_000_000)}",`], {
        make: (unit) => Buffer.from(`{"model":"a","messages":[${filled(unit, mostBody - 100).slice(0, -1)}]}`),
        work: (body) => readAsked(body, 'chat'),
      }),
      ...prepared(['1,', '[[],[]], ', ` "${'\\"'.repeat(8_000_000)}",`], {
        make: (unit) => Buffer.from(`[${filled(unit, mostBody - 100).slice(0, -1)}]`),
        work: readJsonBytes,
      }),
    },
  },
  'forms of the gateway': {
    files: ['gateway/read-form.ts'],
    inPieces: {
      ...prepared(['name="', ';name="', ' filename', 'content-type: a'], {
        make: (unit) => {
          const part = `--b\r\nContent-Disposition: form-data;${filled(unit, 4000)};name="a"\r\n\r\n1\r\n`
          return Buffer.from(`${part.repeat(100)}--b--`)
        },
        work: readThisForm,
      }),
      ...prepared(['a', '\r\n--', '\r\n\r\n', '\0'], {
        make: (unit) => {
          const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
          return Buffer.from(`${head}${filled(unit, mostBody - 200)}\r\n--b--`)
        },
        work: readThisForm,
      }),
    },
  },
  'OTLP of other programs': {
    files: ['traces/otlp.ts'],
    packages: ['protobufjs'],
    inPieces: {
      ...prepared(denseMessages, {
        make: (unit) => Buffer.alloc(mostBody, Buffer.from(unit, 'hex')),
        work: (body) => tried(countValues(body)),
      }),
      // as many values as are decoded after they were counted
      ...prepared(denseMessages, {
        make: (unit) => Buffer.alloc(2_000_000, Buffer.from(unit, 'hex')),
        work: (body) => tried(decodeExport(body)),
      }),
      ...prepared(['{},', '{"scopeSpans":[{"spans":[{}]}]},', `${manyAttributes},`], {
        make: (unit) => JSON.parse(`{"resourceSpans":[${filled(unit, 4 * kib * kib).slice(0, -1)}]}`),
        work: readSpans,
      }),
    },
    inThread: byUnit(['llm.input_messages.1.message.role', 'gen_ai.prompt.7', 'a'], (unit) => {
      const attributes = Object.fromEntries(
        Array.from({ length: 20_000 }, (_, at) => [unit.replace(/\d|$/, String(at)), '[{"role":"user"}]']),
      )
      readSpan({ attributes })
    }),
  },
  'JSON in answers of models': {
    files: ['activities/judge/read-verdict.ts', 'activities/judge/read-label.ts'],
    packages: ['jsonrepair'],
    inThread: {
      ...byUnit(['{', '{"a":', '{"a":[', "{'", '{/*', '{"a":"b" "c"', '{"\\', '{} ', '```json{', 'x" '], (unit) =>
        objectsIn(filled(unit, 1024 * kib)),
      ),
      ...byUnit(['x" ', '"b, ', '"b: \n'], (unit) => objectsIn(filled(unit, 24 * kib, '{"a":"'))),
      labels: () => labelInText('yes no not yes '.repeat(4_000), yesOrNo, false),
    },
  },
  multipart: {
    files: ['http/input/multipart.ts'],
    packages: ['busboy'],
    inThread: byUnit(
      ['--b\r\n\r\n', '\r\n--', '--b\r\nContent-Disposition: form-data; name="', 'a=b;', '\r'],
      (unit) => {
        const headers = { 'content-type': 'multipart/form-data; boundary=b' }
        const parser = busboy({ headers, limits: { fields: 200, files: 10, fieldSize: 64 * kib } }).on(
          'error',
          () => {},
        )
        parser.on('file', (_, stream) => stream.resume()).write(filled(unit, 64 * kib, '--b\r\n'))
      },
    ),
  },
  headers: {
    files: ['api/files/serve.ts', 'lib/files/media-type.ts', 'lib/text/baggage.ts', 'lib/text/trace-context.ts'],
    inThread: {
      ...byUnit(['a=b,', 'a=%41', ',', ';', 'a%'], (unit) => labelsRead(filled(unit, mostHeader))),
      ...byUnit(['0-1,', '9', '-', ' '], (unit) => parseRange(filled(unit, mostHeader, 'bytes='), 100)),
      ...byUnit(['a=1,', ' ', ',', 'a@', '\t,'], (unit) =>
        readTrace({ traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, tracestate: filled(unit, mostHeader) }),
      ),
      ...byUnit(['-', '0', ' '], (unit) => readTrace({ traceparent: filled(unit, mostHeader) })),
      ...byUnit([';a=b', ' ', '/'], (unit) => essenceOf(filled(unit, mostHeader, 'a/b'))),
    },
  },
}

/** Packages that read nothing a tenant writes, or hand on bytes without reading a language in them. */
export const otherPackages = {
  'clients of models and what they answer': [
    '@ai-sdk/amazon-bedrock',
    '@ai-sdk/anthropic',
    '@ai-sdk/cohere',
    '@ai-sdk/google',
    '@ai-sdk/provider',
    '@smithy/eventstream-codec',
    'eventsource-parser',
    '@pydantic/genai-prices',
  ],
  'protocols, where this server writes': [
    '@modelcontextprotocol/sdk',
    'aws4fetch',
    'dockerode',
    'undici',
    'pg',
    'yazl',
    'hyparquet-writer',
    'ipaddr.js',
  ],
  'settings, logs and the terminal of the operator': [
    '@clack/prompts',
    'commander',
    'picocolors',
    'pino',
    'prom-client',
  ],
  'the first bytes of a file': ['file-type'],
  'bounded tables of a ZIP': ['yauzl'],
  'backups of the operator, by the command line': ['age-encryption', 'tar-stream'],
  'texts compared in pages': ['diff'],
  'values that JSON.parse has made, in the counts that a body may have': ['zod', 'lru-cache'],
}

/** Files with an export of such a name, or a pattern made at run time, that read nothing a tenant writes. */
export const otherFiles: Record<string, readonly string[]> = {
  'what the operator has written': [
    'lib/net/addresses.ts',
    'sandbox/isolation/limits/control-groups.ts',
    'sandbox/isolation/user-slot.ts',
    'store/objects/s3/credentials/chain.ts',
    'store/objects/s3/credentials/chain.ts',
    'server/backup/dump-objects.ts',
  ],
  'what providers answer, in bounded frames': [
    'providers/wires/replicate-api.ts',
    'providers/upstream/redact/key-redactor.ts',
    'providers/upstream/redact/redact-answer.ts',
  ],
  'names and addresses of at most 1,000 characters': [
    'lib/settings/storage-location.ts',
    'mcp/endpoint-tool.ts',
    'sandbox/gateway/models/endpoints.ts',
  ],
  'bytes by native decoders': ['lib/text/text-encoding.ts'],
  'an activity, whose parsers have rows': ['activities/shaping/document-activities.ts'],
}
