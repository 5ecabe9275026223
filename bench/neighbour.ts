/**
 * What one tenant notices while another sends every parser the worst input that it accepts, several at a time: a
 * `run-sync` each second, from a process of its own. Beside it stands the slowest insert of one row into another database
 * of the same PostgreSQL meanwhile: no run is recorded faster than that.
 */
import type { HttpRequest } from './lib/http-process.ts'
import { median } from './lib/numbers.ts'
import { isQuick } from './lib/quick.ts'
import { stage } from './lib/stage.ts'
import { echoWorkflow } from './lib/workflows.ts'

const calmSeconds = isQuick ? 5 : 15
const secondsOfAttack = isQuick ? 5 : 10
const atOnce = 3
const everyMs = 1_000
const insertEveryMs = 50
/** How long the server may take to end what its client has given up, before the next input. */
const longestRestSeconds = 30

/** A run with a long log, in a collection of its own: lists show the whole of a definition. */
const logged = { run: '', key: '' }

interface Attack {
  path: string
  /** Without one it is a GET. */
  body?: string | FormData
  headers?: Record<string, string>
}

const numbered = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at))
const members = (count: number): string => numbered(count, (at) => `"m${at}":0`).join(',')

const workflowOf = (configs: object[], rest: object = {}) => {
  const named = configs.map((config, at) => [`s${at}`, config] as const)
  return { ...rest, step_configs: Object.fromEntries(named), steps: named.map(([name]) => name) }
}
const validate = (workflow: object | string): Attack => ({
  path: '/api/v1/tasks/attacker/validate',
  body: `{"name":"hostile","workflow":${typeof workflow === 'string' ? workflow : JSON.stringify(workflow)}}`,
})
const tryRun = (config: object): Attack => ({
  path: '/api/v1/try/attacker',
  body: JSON.stringify({ workflow: workflowOf([config]), step: 's0' }),
})
const runbook = (content: string): Attack => ({
  path: '/api/v1/runbooks/validate',
  body: JSON.stringify({ content }),
})
/** A server takes 16 KiB of a request's address and headers. */
const mostHeader = 14_000
const filled = (unit: string, length: number): string => unit.repeat(Math.floor(length / unit.length))

const formWith = (name: string, text: string): FormData => {
  const form = new FormData()
  form.append('file', new Blob([text]), name)
  return form
}

/** Words behind the name of the benchmark: only inputs with one of them in their names are sent. */
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const isWanted = (name: string): boolean => words.length === 0 || words.some((word) => name.includes(word))

/** A body of 1 to 16 MB each, or as many headers as may be: made when it is its turn. */
const attacks: Record<string, () => Attack> = {
  JSONata: () =>
    validate(
      workflowOf(
        numbered(60, (at) => ({ activity: 'transform', input: {}, expression: `${'a@$b.'.repeat(3_330)}c${at}` })),
      ),
    ),
  'JSONata that runs': () => tryRun({ activity: 'transform', input: {}, expression: '($f := function(){$f()}; $f())' }),
  'wrong references': () =>
    validate(
      workflowOf(
        numbered(20_000, (at) => ({ activity: 'text_echo', text_path: `init_params.a_long_parameter_nam_${at}x` })),
        { init_params: Object.fromEntries(numbered(15_000, (at) => [`a_long_parameter_name_${at}`, at])) },
      ),
    ),
  'a million members': () => validate(`{${members(1_000_000)},"steps":[]}`),
  'many members': () => validate(`{${members(90_000)},"steps":[]}`),
  'JSON Schema': () =>
    validate(
      workflowOf([{ activity: 'text_echo', text: 'x' }], {
        init_params: { a: numbered(50_000, (at) => at) },
        input_schema: {
          properties: { a: { items: { anyOf: numbered(1_000, () => ({ type: 'string' })) }, uniqueItems: true } },
        },
      }),
    ),
  'patterns of a JSON Schema': () => ({
    path: '/api/v1/datasets/attacker/patterns/items',
    body: JSON.stringify({
      items: numbered(100, (at) => ({ id: `${at}`, data: { a: filled('a', 100_000) } })),
    }),
  }),
  'SQL of steps': () =>
    validate(workflowOf(numbered(160, () => ({ activity: 'sql', connection: 'env.A', sql: filled('$1,', 95_000) })))),
  'a model of a runbook': () => runbook(`---\nmodel: ${filled('a.', 32_000)}\n---\n# T\n`),
  'YAML of a runbook': () =>
    runbook(
      `---\n${numbered(900, (at) => `a${at}: &x${at} [*x0]\n`)
        .join('')
        .slice(0, 32_000)}\n---\n# T\n`,
    ),
  'Markdown of a runbook': () =>
    runbook(`# T\n\n## Parameters\n\n| a | b |\n|--|--|\n${'| `a` | max 9 |\n'.repeat(4_900)}`),
  'Markdown of a step': () => tryRun({ activity: 'render', content: filled('* ', 200_000), format: 'html' }),
  'HTML of a step': () => tryRun({ activity: 'parse', format: 'html', content: filled('<a>', 4_000_000) }),
  'XML of a step': () => tryRun({ activity: 'parse', format: 'xml', content: filled('<a b="c">', 4_000_000) }),
  'CSV of a step': () => tryRun({ activity: 'parse', format: 'csv', content: filled('a,"b"\n', 4_000_000) }),
  'YAML of a step': () => tryRun({ activity: 'parse', format: 'yaml', content: filled('- a\n', 1_000_000) }),
  'a template': () => tryRun({ activity: 'text_template', template: filled('{{a}}', 8_000_000), a: 'b' }),
  'an answer of a model': () =>
    tryRun({ activity: 'simple_judge', model: 'scripted/echo', instruction: 'x', item: filled('{"a":[', 500_000) }),
  'filters of logs': () => ({
    path: `/api/v1/workflows-logs/${logged.run}?q=${'a'.repeat(199)}b&limit=1000`,
    headers: { authorization: `Bearer ${logged.key}` },
  }),
  'path expressions': () =>
    validate(workflowOf(numbered(2_000, () => ({ activity: 'text_echo', text_path: `a${'[*]'.repeat(1_300)}` })))),
  'CSV of items': () => ({
    path: '/api/v1/datasets/attacker/patterns/items/check',
    body: formWith('a.csv', `id,a\n${numbered(100_000, (at) => `${at},"b"\n`).join('')}`),
  }),
  Croissant: () => ({
    path: '/api/v1/datasets/mlcroissant-validation',
    body: formWith('a.json', `{"@graph":[${filled('{"@id":"a"},', 4_000_000).slice(0, -1)}]}`),
  }),
  cron: () => ({
    path: '/api/v1/routines/attacker/echo',
    body: JSON.stringify({ name: 'never', cadence: { type: 'cron', expression: '0 0 31 2,4,6,9,11 +mon' } }),
  }),
  'JSON of the gateway': () => ({
    path: '/v1/chat/completions',
    body: `{"model":"none/none","messages":[${filled('{"role":"user","content":"a"},', 16_000_000).slice(0, -1)}]}`,
  }),
  'files in a call of the gateway': () => ({
    path: '/v1/chat/completions',
    body: `{"model":"none/none","messages":[${filled('{"role":"user","content":"data:a/b;base64,YQ=="},', 16_000_000).slice(0, -1)}]}`,
  }),
  'a runbook chat': () => ({
    path: '/v1/chat/completions',
    body: `{"model":"a","jetty":{"a":[${filled('"a",', 16_000_000).slice(0, -1)}]}}`,
  }),
  multipart: () => {
    const form = new FormData()
    for (let at = 0; at < 200; at++) form.append(`f${at}`, 'x'.repeat(10_000))
    return { path: '/api/v1/run/attacker/echo', body: form }
  },
  'a search': () => ({ path: `/api/v1/tasks/attacker/search?q=${filled('a%25+_%5C', mostHeader)}` }),
  'a query string': () => ({
    path: `/api/v1/tasks/attacker?${numbered(1_800, (at) => `p${at}=%41`)
      .join('&')
      .slice(0, mostHeader)}`,
  }),
  headers: () => ({
    path: '/api/v1/tasks/attacker',
    headers: {
      range: `bytes=${filled('0-1,', mostHeader / 4)}`,
      'if-none-match': filled('"a",', mostHeader / 4),
      'accept-encoding': filled('gzip;q=0,', mostHeader / 4),
      cookie: filled('a=b;', mostHeader / 4),
    },
  }),
}

await stage(
  'neighbour',
  async ({ report, jetty, child, createDatabase }) => {
    const server = await jetty({ environment: { DATABASE_URL: await createDatabase('neighbour') } })
    const floor = await child('inserts-process.ts', { BENCH_DATABASE_URL: await createDatabase('floor') })
    const slowestInsert = (seconds: number) => floor.ask<number>('slowest', { seconds, everyMs: insertEveryMs })
    for (const name of ['attacker', 'calm']) {
      await server.call('POST', '/api/v1/collections', { name })
      await server.call('POST', `/api/v1/tasks/${name}`, { name: 'echo', workflow: echoWorkflow(1) })
    }
    await server.call('POST', '/api/v1/datasets/attacker', {
      name: 'patterns',
      item_schema: { properties: { a: { pattern: '(a|a?){300}b' } } },
    })
    const key = await server.key('attacker')
    const long = {
      activity: 'text_echo',
      text: 'x',
      ...Object.fromEntries(numbered(10, (at) => [`${filled('a', 1_000)}${at}`, 1])),
    }
    await server.call('POST', '/api/v1/collections', { name: 'logged' })
    const workflow = workflowOf(numbered(200, () => long))
    await server.call('POST', '/api/v1/tasks/logged', { name: 'long', workflow })
    const ran = await server.call('POST', '/api/v1/run-sync/logged/long', { init_params: {} })
    logged.run = (JSON.parse(ran.text) as { workflow_id: string }).workflow_id
    logged.key = await server.key('logged')
    const client = await child('http-process.ts', { BENCH_URL: server.url, BENCH_TOKEN: await server.key('calm') })
    const request: HttpRequest = { method: 'POST', path: '/api/v1/run-sync/calm/echo', body: '{"init_params":{}}' }

    /** Calls each second while `isGoing`, and returns how long each took; a failed one, what it said. */
    const watch = async (isGoing: () => boolean) => {
      const taken: number[] = []
      const failures: string[] = []
      while (isGoing()) {
        const begun = performance.now()
        try {
          taken.push(...(await client.ask<number[]>('latency', { requests: [request] })))
        } catch (error) {
          failures.push(String(error).slice(0, 300))
        }
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, everyMs - (performance.now() - begun))))
      }
      return { taken, failures }
    }
    const until = (seconds: number) => {
      const end = performance.now() + seconds * 1000
      return () => performance.now() < end
    }
    const answers = async ({ path, body, headers }: Attack, isGoing: () => boolean, seen: Map<number, number>) => {
      const type = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
      while (isGoing()) {
        const method = body === undefined ? 'GET' : 'POST'
        const sent = { method, body: body ?? null, headers: { authorization: `Bearer ${key}`, ...type, ...headers } }
        const signal = AbortSignal.timeout(secondsOfAttack * 1000)
        const status = await fetch(server.url + path, { ...sent, signal })
          .then(async (response) => {
            await response.arrayBuffer()
            return response.status
          })
          .catch(() => 0) // given up, perhaps while the answer came
        seen.set(status, (seen.get(status) ?? 0) + 1)
        if (status === 429 || status === 503) await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }

    await watch(until(2)) // warms up
    const [calm, calmInsert] = await Promise.all([watch(until(calmSeconds)), slowestInsert(calmSeconds)])
    const calmMs = Math.max(...calm.taken)
    const rows: (string | number)[][] = [
      ['what the other tenant sends', 'median, ms', 'worst, ms', 'slowest insert, ms', 'failed', 'answers'],
    ]
    rows.push(['nothing', median(calm.taken), calmMs, calmInsert, calm.failures.length, ''])
    const rest = async () => {
      for (const isGoing = until(longestRestSeconds); isGoing(); ) {
        const taken = await client.ask<number[]>('latency', { requests: [request, request, request] })
        if (Math.max(...taken) < 2 * calmMs) return
      }
    }
    const worst: number[] = []
    const beyondInsert: number[] = []
    let failed = 0
    for (const [name, make] of Object.entries(attacks).filter(([name]) => isWanted(name))) {
      const attack = make()
      const seen = new Map<number, number>()
      const isGoing = until(secondsOfAttack)
      const attackers = numbered(atOnce, () => answers(attack, isGoing, seen))
      const [{ taken, failures }, insert] = await Promise.all([watch(isGoing), slowestInsert(secondsOfAttack)])
      await Promise.all(attackers)
      await rest()
      worst.push(Math.max(0, ...taken))
      beyondInsert.push(Math.max(0, ...taken) - insert)
      failed += failures.length
      if (failures.length > 0) report.note(`${name}: ${failures[0]}`)
      const said = [...seen].map(([status, count]) => `${count} × ${status || 'given up'}`).join(', ')
      rows.push([name, median(taken), Math.max(0, ...taken), insert, failures.length, said])
    }
    report.table(`a run-sync each second beside ${atOnce} of these at a time`, rows)
    report.aim('the worst `run-sync` beside the worst input of any parser', Math.max(...worst), 'at most', 500, ' ms')
    report.note(`at most ${Math.round(Math.max(...beyondInsert))} ms more than the slowest insert of one row beside it`)
    report.aim('calls of the neighbour that failed', failed, 'at most', 0)
  },
  { longestSeconds: 1_200 },
)
