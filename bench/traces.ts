/**
 * How many spans of other programs a server records in a second: exports as SDKs send them, from eight clients, in turns
 * with bare inserts of the same bytes into another database of the same PostgreSQL.
 */
import { openDatabase } from '../src/store/database/database.ts'
import type { HttpRequest } from './lib/http-process.ts'
import { ratios } from './lib/numbers.ts'
import { peakResidentMb, residentMb } from './lib/processes.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'

const rounds = isQuick ? 2 : 5
const exportsOfRound = isQuick ? 20 : 60
/** What SDKs send at most together, and collectors by default. */
const spansOfExport = 512
const spansOfTrace = 8
const clients = 8

const hex = (digits: number, n: number): string => n.toString(16).padStart(digits, '0')
const string = (key: string, value: string) => ({ key, value: { stringValue: value } })
const question = 'Which of the orders of this customer were late, and by how many days? '.repeat(8)

const chat = [
  string('gen_ai.operation.name', 'chat'),
  string('gen_ai.provider.name', 'openai'),
  string('gen_ai.request.model', 'gpt-4o-mini'),
  string('gen_ai.input.messages', JSON.stringify([{ role: 'user', parts: [{ type: 'text', content: question }] }])),
  string(
    'gen_ai.output.messages',
    JSON.stringify([{ role: 'assistant', parts: [{ type: 'text', content: question }] }]),
  ),
  { key: 'gen_ai.usage.input_tokens', value: { intValue: '812' } },
  { key: 'gen_ai.usage.output_tokens', value: { intValue: '96' } },
]
const tool = [string('gen_ai.tool.name', 'orders'), string('gen_ai.tool.call.arguments', '{"customer": 4711}')]
const startMs = Date.now()

/** The span at a place of all: each eighth is a root, and a call of a model and one of a tool take turns below it. */
const spanAt = (at: number) => {
  const inTrace = at % spansOfTrace
  const trace = Math.floor(at / spansOfTrace)
  const name = inTrace === 0 ? 'answer' : inTrace % 2 === 1 ? 'chat gpt-4o-mini' : 'execute_tool orders'
  return {
    traceId: hex(32, trace + 1),
    spanId: hex(16, at + 1),
    ...(inTrace === 0 ? {} : { parentSpanId: hex(16, trace * spansOfTrace + 1) }),
    name,
    startTimeUnixNano: `${startMs + inTrace}000000`,
    endTimeUnixNano: `${startMs + inTrace + 1}000000`,
    attributes: inTrace === 0 ? [string('user.id', 'ada')] : inTrace % 2 === 1 ? chat : tool,
  }
}

let made = 0
const nextExport = (): string => {
  const spans = Array.from({ length: spansOfExport }, () => spanAt(made++))
  const resource = { attributes: [string('service.name', 'bench')] }
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'bench' }, spans }] }] })
}

await stage(
  'traces',
  async ({ report, jetty, child, createDatabase }) => {
    const server = await jetty({ environment: { DATABASE_URL: await createDatabase('ours') } })
    const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('demo') })
    const floor = openDatabase(await createDatabase('floor'), { connections: clients })
    await floor.query('create table spans (id bigint generated always as identity primary key, trace text, body text)')

    const insertAll = async (bodies: readonly string[]) => {
      const left = bodies.map((body) =>
        (
          JSON.parse(body) as { resourceSpans: [{ scopeSpans: [{ spans: object[] }] }] }
        ).resourceSpans[0].scopeSpans[0].spans.map((span) => JSON.stringify(span)),
      )
      const begun = performance.now()
      const inserting = async () => {
        for (let rows = left.pop(); rows; rows = left.pop()) {
          await floor.rows('floor', 'insert into spans (trace, body) select $1, * from unnest($2::text[])', [
            'bench',
            rows,
          ])
        }
      }
      await Promise.all(Array.from({ length: clients }, inserting))
      return (bodies.length * spansOfExport) / ((performance.now() - begun) / 1000)
    }
    const exportAll = async (bodies: readonly string[]) => {
      const requests = bodies.map((body): HttpRequest => ({ method: 'POST', path: '/v1/traces', body }))
      const begun = performance.now()
      await client.ask('burst', { requests, count: requests.length, clients })
      return (bodies.length * spansOfExport) / ((performance.now() - begun) / 1000)
    }

    const calmMb = residentMb(server.pid)
    const ours: number[] = []
    const bare: number[] = []
    let megabytes = 0
    for (let round = -1; round < rounds; round++) {
      const bodies = Array.from({ length: round < 0 ? 8 : exportsOfRound }, nextExport)
      megabytes = bodies.reduce((sum, { length }) => sum + length, 0) / bodies.length / 1e6
      const found = [await exportAll(bodies), await insertAll(bodies)] as const
      if (round < 0) continue // the first one warms up
      ours.push(found[0])
      bare.push(found[1])
    }
    await floor.close()
    report.note(
      `${clients} clients, exports of ${spansOfExport} spans in traces of ${spansOfTrace}, ${megabytes.toFixed(2)} MB each`,
    )
    report.table('spans a second', [
      ['', 'median of rounds'],
      ['recorded by the server', ours.toSorted((a, b) => a - b)[Math.floor(ours.length / 2)] ?? 0],
      ['bare inserts of the same bytes', bare.toSorted((a, b) => a - b)[Math.floor(bare.length / 2)] ?? 0],
    ])
    report.aim('spans recorded a second', ours, 'at least', 5_000)
    report.figure('to bare inserts of the same bytes', ratios(ours, bare), ' ×', 'at least')
    report.figure('memory above an idle server', peakResidentMb(server.pid) - calmMb, ' MB')
  },
  { longestSeconds: 480 },
)
