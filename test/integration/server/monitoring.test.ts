// The dashboard and the alert rules of deploy/monitoring ask only for metrics and labels that a server exposes.
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { pause } from '../../../src/lib/time.ts'
import { startFakeOpenAi } from '../../fakes/openai.ts'
import { startTestServer } from '../../server.ts'

const fileText = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

/** A metric as a query names it, with its matchers. */
interface Selector {
  metric: string
  matchers: { label: string; operator: string; value: string }[]
}

interface Query {
  selectors: Selector[]
  /** Labels of `by`, `on` and the like. */
  grouping: string[]
}

const tokenPattern =
  /\s*(?:("(?:[^"\\]|\\.)*")|([A-Za-z_:][A-Za-z0-9_:]*)|(\d+(?:\.\d+)?(?:ms|[smhdwy])?|\$__rate_interval)|(=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}[\],]))/y

const tokensOf = (expression: string): string[] => {
  const tokens: string[] = []
  tokenPattern.lastIndex = 0
  while (expression.slice(tokenPattern.lastIndex).trim() !== '') {
    const at = tokenPattern.lastIndex
    const [, text, name, number, sign] = tokenPattern.exec(expression) ?? []
    const token = text ?? name ?? number ?? sign
    if (token === undefined) throw new Error(`${expression}: not PromQL at ${at}`)
    tokens.push(token)
  }
  return tokens
}

const grouping = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const operators = new Set(['and', 'or', 'unless', 'offset', 'bool'])
const functions = new Set([
  ...['sum', 'min', 'max', 'count', 'avg', 'topk', 'rate', 'increase', 'changes', 'absent', 'abs'],
  ...['histogram_quantile', 'label_values'],
])
const pairs: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

/** Reads what a query asks for. It throws for brackets without partners, and for functions that none of ours uses. */
const readQuery = (expression: string): Query => {
  const tokens = tokensOf(expression)
  const query: Query = { selectors: [], grouping: [] }
  const open: string[] = []
  const take = (wanted: string) => {
    if (tokens[0] !== wanted) throw new Error(`${expression}: ${wanted} expected at ${tokens[0]}`)
    tokens.shift()
  }
  const listUntil = (end: string, read: () => void) => {
    while (tokens[0] !== end) {
      read()
      if (tokens[0] !== end) take(',')
    }
    take(end)
  }
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    if ('([{'.includes(token)) open.push(token)
    else if (pairs[token]) {
      if (open.pop() !== pairs[token]) throw new Error(`${expression}: ${token} closes nothing`)
    } else if (!/^[A-Za-z_:]/.test(token) || operators.has(token)) continue
    else if (grouping.has(token)) {
      take('(')
      listUntil(')', () => query.grouping.push(tokens.shift() ?? ''))
    } else if (tokens[0] === '(' || grouping.has(tokens[0] ?? '')) {
      if (!functions.has(token)) throw new Error(`${expression}: no function ${token}`)
    } else {
      const selector: Selector = { metric: token, matchers: [] }
      query.selectors.push(selector)
      if (tokens[0] !== '{') continue
      take('{')
      listUntil('}', () => {
        const [label = '', operator = '', value = '""'] = tokens.splice(0, 3)
        selector.matchers.push({ label, operator, value: JSON.parse(value) as string })
      })
    }
  }
  if (open.length > 0) throw new Error(`${expression}: ${open.at(-1)} is never closed`)
  return query
}

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; description: string }
}

const rules: Rule[] = parse(fileText('deploy/monitoring/alerts.yaml')).groups.flatMap(
  ({ rules }: { rules: Rule[] }) => rules,
)

interface Panel {
  id: number
  type: string
  title: string
  description?: string
  datasource?: { uid: string }
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { expr: string; legendFormat: string }[]
}
interface Variable {
  name: string
  type: string
  definition?: string
}

const dashboard = JSON.parse(fileText('deploy/monitoring/grafana-dashboard.json')) as {
  uid: string
  panels: Panel[]
  templating: { list: Variable[] }
  annotations: { list: { expr: string }[] }
}
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const variables = dashboard.templating.list

/** `label_values(metric, label)` is of Grafana, and names the label in its second place. */
const variableQuery = (definition: string): Query => {
  const [, of = '', label = ''] = /^label_values\((.+), (\w+)\)$/.exec(definition) ?? []
  return { ...readQuery(of), grouping: [label] }
}

const asked: [where: string, query: Query][] = [
  ...rules.map(({ alert, expr }) => [alert, readQuery(expr)] as [string, Query]),
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => [`panel ${title}`, readQuery(expr)] as [string, Query]),
  ),
  ...dashboard.annotations.list.map(({ expr }) => ['annotation', readQuery(expr)] as [string, Query]),
  ...variables.flatMap(({ name, definition }) =>
    definition === undefined ? [] : [[`variable ${name}`, variableQuery(definition)] as [string, Query]],
  ),
]

type Labels = Record<string, string>

/** What a server exposes: names of metrics, and the labels of each series. */
const exposed = new Map<string, Labels[]>()
let metricsText = ''

/** Labels that Prometheus adds to each series, and the label of a bucket. */
const ofScrapes = ['job', 'instance']

/** Labels of metrics that have no series before something fails, as the page on metrics names them. */
const documented = new Map(
  [...fileText('docs/metrics.md').matchAll(/`(jetty_\w+)\{([\w,]+)\}`/g)].map(([, name = '', labels = '']) => [
    name,
    labels.split(','),
  ]),
)

const seriesOf = (text: string): [string, Labels][] =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name = '', inner = ''] = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
      const labels = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, value]) => [label, value])
      return [name, Object.fromEntries(labels)]
    })

let close = async () => {}
beforeAll(async () => {
  const openAi = await startFakeOpenAi()
  const jetty = await startTestServer({
    env: { JETTY_ALLOW_PRIVATE_NETWORK: '127.0.0.1', OPENAI_BASE_URL: openAi.url },
  })
  close = async () => {
    await jetty.close()
    await openAi.close()
  }
  const workflow = (config: { activity: string; [name: string]: unknown }) => ({
    step_configs: { a: config },
    steps: ['a'],
  })
  await jetty.call('PATCH', '/api/v1/collections/acme/environment', {
    environment_variables: { OPENAI_API_KEY: 'sk-monitoring-0123456789' },
  })
  await jetty.run(workflow({ activity: 'litellm_chat', model: 'gpt-4o-mini', prompt: 'hello' }))
  await jetty.run(workflow({ activity: 'http_request', url: 'http://10.0.0.1/' }))
  await jetty.call('GET', '/api/v1/collections/acme', undefined, 'mlc_not-a-key')
  await jetty.call('GET', '/api/v1/collections/')
  const read = async () => {
    metricsText = String((await jetty.call('GET', '/metrics')).body)
    return metricsText
  }
  for (const begun = performance.now(); !/^jetty_model_calls_total\{/m.test(await read()); await pause(50)) {
    if (performance.now() - begun > 20_000) throw new Error('the call of a model was not counted')
  }
  for (const [, name = ''] of metricsText.matchAll(/^# TYPE (\S+) (?!histogram)/gm)) exposed.set(name, [])
  for (const [name, labels] of seriesOf(metricsText)) exposed.set(name, [...(exposed.get(name) ?? []), labels])
})
afterAll(() => close())

const labelsOf = (metric: string): Set<string> =>
  new Set([
    ...(exposed.get(metric) ?? []).flatMap((labels) => Object.keys(labels)),
    ...(documented.get(metric) ?? []),
    ...ofScrapes,
  ])

test('every metric and every label that is asked for exists', () => {
  const faults: string[] = []
  for (const [where, { selectors, grouping: groups }] of asked) {
    if (selectors.length === 0) faults.push(`${where} asks for no metric`)
    for (const { metric, matchers } of selectors) {
      if (!exposed.has(metric)) faults.push(`${where}: no metric ${metric}`)
      const labels = labelsOf(metric)
      for (const label of [...groups, ...matchers.map(({ label }) => label)]) {
        if (!labels.has(label)) faults.push(`${where}: ${metric} has no label ${label}`)
      }
    }
  }
  expect(faults).toEqual([])
})

/** Values that appear with the first failure of their kind. */
const appearsLater = ['jetty_database_faults_total{code="53100"}']

/** Statuses of HTTP are known; the others are those of the server. */
const isKnownStatus = (metric: string, label: string, value: string) =>
  metric === 'jetty_http_requests_total' && label === 'status' && /^[45]\d\d$/.test(value)

test('every value that a matcher names is one that a series has', () => {
  const faults: string[] = []
  for (const [where, { selectors }] of asked) {
    for (const { metric, matchers } of selectors) {
      for (const { label, operator, value } of matchers) {
        const selector = `${metric}{${label}${operator}"${value}"}`
        if (value.startsWith('$') || appearsLater.includes(selector) || isKnownStatus(metric, label, value)) continue
        const wanted = operator.endsWith('~') ? value.split('|') : [value]
        const had = (exposed.get(metric) ?? []).map((labels) => labels[label] ?? '')
        for (const one of wanted) {
          const is = new RegExp(`^(?:${operator.endsWith('~') ? one : one.replace(/\W/g, '\\$&')})$`)
          if (!had.some((of) => is.test(of))) faults.push(`${where}: no series ${selector}`)
        }
      }
    }
  }
  expect(faults).toEqual([])
})

describe('a query that asks for what is not there', () => {
  test.each([
    ['sum(rate(jetty_runs_total[5m])', /never closed/],
    ['summ(jetty_runs_live)', /no function/],
    ['jetty_runs_live ? 1', /not PromQL/],
    ['sum(jetty_runs_live))', /closes nothing/],
  ])('is refused: %s', (expression, why) => {
    expect(() => readQuery(expression)).toThrow(why)
  })

  test('is found by its names', () => {
    expect(readQuery('sum by (le, a) (rate(x_bucket{b=~"c|d",e!="f"}[5m])) / on (g) y > 0.2')).toEqual({
      selectors: [
        {
          metric: 'x_bucket',
          matchers: [
            { label: 'b', operator: '=~', value: 'c|d' },
            { label: 'e', operator: '!=', value: 'f' },
          ],
        },
        { metric: 'y', matchers: [] },
      ],
      grouping: ['le', 'a', 'g'],
    })
    expect(exposed.has('jetty_runs_total')).toBe(false)
  })
})

test('alerts have names of their own, a severity, texts, and labels that their queries leave', () => {
  expect(rules.length).toBeGreaterThan(10)
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  for (const { alert, expr, labels, annotations, ...rest } of rules) {
    expect([alert, ['critical', 'warning', 'info'].includes(labels.severity)]).toEqual([alert, true])
    expect([alert, annotations]).toEqual([
      alert,
      { summary: expect.stringMatching(/\S/), description: expect.stringMatching(/\S/) },
    ])
    expect([alert, rest.for ?? '1m']).toEqual([alert, expect.stringMatching(/^\d+[mh]$/)])
    const used = [...JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label)
    expect([alert, used.filter((label) => !readQuery(expr).grouping.includes(label ?? ''))]).toEqual([alert, []])
  }
})

test('the page on metrics has each alert', () => {
  const named = [...fileText('docs/metrics.md').matchAll(/^\| `(Jetty\w+)` \|/gm)].map(([, name]) => name)
  expect(named.sort()).toEqual(rules.map(({ alert }) => alert).sort())
})

test('panels of the dashboard stand beside one another, have texts, and use its variables only', () => {
  expect(panels.length).toBeGreaterThan(20)
  const cells = new Set<string>()
  for (const { title, gridPos: at } of dashboard.panels) {
    expect([title, at.x + at.w <= 24]).toEqual([title, true])
    for (let x = at.x; x < at.x + at.w; x++) {
      for (let y = at.y; y < at.y + at.h; y++) {
        expect([title, cells.has(`${x} ${y}`)]).toEqual([title, false])
        cells.add(`${x} ${y}`)
      }
    }
  }
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
  const known = [...variables.map(({ name }) => name), '__rate_interval', '__all']
  for (const { title, description, datasource, targets = [] } of panels) {
    expect([title, description]).toEqual([title, expect.stringMatching(/\S/)])
    expect([title, datasource?.uid]).toEqual([title, ['$', '{datasource}'].join('')])
    expect([title, targets.length > 0]).toEqual([title, true])
    for (const { expr, legendFormat } of targets) {
      const used = [...expr.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name ?? '')
      expect([title, used.filter((name) => !known.includes(name))]).toEqual([title, []])
      const { selectors, grouping: groups } = readQuery(expr)
      for (const { metric, matchers } of selectors) {
        expect([title, metric, matchers.map(({ label }) => label)]).toEqual([
          ...[title, metric],
          expect.arrayContaining(ofScrapes),
        ])
      }
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label ?? '')
      const left = groups.length > 0 ? groups : ofScrapes
      expect([title, shown.filter((label) => !left.includes(label))]).toEqual([title, []])
    }
  }
})
