import { pause } from '../../../src/lib/time.ts'
import { makeClient } from '../harness/client.ts'
import { seeded } from '../harness/random.ts'
import { adminToken, makeSite } from '../harness/site.ts'

export interface TracesSize {
  spans: number
  spansOfTrace: number
  kills: number
}

const spansOfExport = 500
const exportersAtOnce = 8

const hex = (digits: number, n: number): string => n.toString(16).padStart(digits, '0')

interface Sent {
  trace: number
  at: number
}

const otlp = (spans: readonly Sent[], spansOfTrace: number): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'storm' } }] },
        scopeSpans: [
          {
            spans: spans.map(({ trace, at }) => ({
              traceId: hex(32, trace + 1),
              spanId: hex(16, trace * spansOfTrace + at + 1),
              ...(at === 0 ? {} : { parentSpanId: hex(16, trace * spansOfTrace + 1) }),
              name: at === 0 ? 'answer' : 'chat',
              startTimeUnixNano: `${1_767_607_200_000 + at}000000`,
              endTimeUnixNano: `${1_767_607_200_001 + at}000000`,
              attributes:
                at === 0
                  ? []
                  : [
                      { key: 'gen_ai.request.model', value: { stringValue: 'gpt-4o-mini' } },
                      { key: 'gen_ai.usage.input_tokens', value: { intValue: '10' } },
                    ],
            })),
          },
        ],
      },
    ],
  })

/** Exporters whose spans come in any order and twice, while the server is killed: each span is recorded once. */
export const traces = async ({ spans, spansOfTrace, kills }: TracesSize): Promise<string[]> => {
  const name = 'traces'
  const random = seeded(name)
  const site = makeSite()
  const faults: string[] = []
  const all = Array.from(
    { length: spans },
    (_, at): Sent => ({
      trace: Math.floor(at / spansOfTrace),
      at: at % spansOfTrace,
    }),
  )
  const shuffled = () => {
    const order = [...all]
    // Neighbours of a few thousand change places: an exporter sends what ended together.
    for (let at = 0; at < order.length; at++) {
      const other = Math.min(order.length - 1, at + random.between(0, 20 * spansOfTrace))
      const [one, two] = [order[at] as Sent, order[other] as Sent]
      order[at] = two
      order[other] = one
    }
    return order
  }
  const both = [shuffled(), shuffled()]
  const queue = both.flatMap((order) =>
    Array.from({ length: Math.ceil(order.length / spansOfExport) }, (_, part) =>
      order.slice(part * spansOfExport, (part + 1) * spansOfExport),
    ),
  )
  const total = queue.length
  let url = ''
  let acked = 0
  let refused = 0
  const exporter = async () => {
    for (let batch = queue.shift(); batch; batch = queue.shift()) {
      for (;;) {
        const answer = await fetch(`${url}/v1/traces`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${adminToken}`,
            'x-jetty-collection': 'crash',
            'content-type': 'application/json',
          },
          body: otlp(batch, spansOfTrace),
        }).catch(() => undefined)
        const text = await answer?.text().catch(() => undefined)
        if (answer?.status === 200 && text === '{}') break
        if (answer && answer.status !== 503 && answer.status !== 200) throw new Error(`${answer.status} ${text}`)
        if (text?.includes('rejected')) throw new Error(text)
        refused++
        await pause(100)
      }
      acked++
    }
  }
  try {
    let server = site.spawn()
    url = await server.ready
    await makeClient().setUp(url, {})
    const begun = performance.now()
    const exporting = Promise.all(Array.from({ length: exportersAtOnce }, exporter))
    exporting.catch(() => {}) // awaited below
    for (let kill = 1; kill <= kills; kill++) {
      while (acked < (total * kill) / (kills + 1)) await Promise.race([pause(50), exporting])
      await server.kill()
      server = site.spawn()
      url = await server.ready
    }
    await exporting
    const seconds = (performance.now() - begun) / 1000
    const [steps] = await site.rows<{ steps: number; spans: number; wrong: number }>(
      `select count(*)::int steps, count(distinct (span::json->>'id'))::int spans,
         (select count(*)::int from spans s where not exists (select from steps t where t.run_id = s.run_id and t.seq = s.seq)) wrong
       from steps where span is not null`,
    )
    if (steps?.steps !== spans || steps.spans !== spans)
      faults.push(`${steps?.steps} steps of ${steps?.spans} spans, not ${spans}`)
    if (steps?.wrong) faults.push(`${steps.wrong} spans without a step`)
    const ofTrace = (spansOfTrace - 1) * 10
    const wrong = await site.rows<{ trajectory_id: string }>(
      `select trajectory_id from runs r where status <> 'completed' or abs(cost_usd - $1) > 1e-12 or $2 <> (
         select sum((usage::json->>'prompt_tokens')::int) from steps where run_id = r.id)`,
      [(ofTrace * 0.15) / 1e6, ofTrace],
    )
    if (wrong.length > 0) faults.push(`${wrong.length} traces with a wrong cost or wrong tokens`)
    const [runs] = await site.rows<{ runs: number; counted: number }>(
      `select count(*)::int runs, (select sum(total)::int from run_counts where task_id = min(r.task_id)) counted
       from runs r join tasks t on t.id = r.task_id where t.name = 'storm'`,
    )
    const traceCount = Math.ceil(spans / spansOfTrace)
    if (runs?.runs !== traceCount || runs.counted !== traceCount)
      faults.push(`${runs?.runs} runs, ${runs?.counted} counted`)
    console.log(
      `${name}:`,
      JSON.stringify({ seed: random.seed, spans, exports: total, refused, seconds: Math.round(seconds) }),
    )
    return faults
  } finally {
    await site.close()
  }
}
