import { median, percentile, ratios } from '../lib/numbers.ts'
import type { Stage } from '../lib/stage.ts'
import { type MeasuredBrowser, openSignedInTab } from './browser.ts'

/** Notes when the first span of a trace has been painted, in ms from the navigation on. */
const noteFirstSpan = `globalThis.firstSpan = new Promise((resolve) => {
  new MutationObserver((_, observer) => {
    if (!document.querySelector('[role=treegrid] [role=row]')) return
    observer.disconnect()
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())))
  }).observe(document, { childList: true, subtree: true })
});`

const hex = (digits: number, n: number): string => n.toString(16).padStart(digits, '0')
const text = (key: string, value: string) => ({ key, value: { stringValue: value } })

/** A call of a model with a question of 2 KB, an agent around every ten of them, and a root around all. */
const spanOf = (traceId: string, at: number) => ({
  traceId,
  spanId: hex(16, at + 1),
  ...(at === 0 ? {} : { parentSpanId: hex(16, at % 10 === 1 ? 1 : at - ((at - 1) % 10) + 1) }),
  name: at === 0 ? 'root' : at % 10 === 1 ? `agent ${at}` : 'chat gpt-4o-mini',
  startTimeUnixNano: `${1_767_607_200_000 + at * 10}000000`,
  endTimeUnixNano: `${1_767_607_200_000 + (at === 0 ? 200_000 : at * 10 + 90)}000000`,
  attributes:
    at % 10 < 2
      ? []
      : [
          text('gen_ai.operation.name', 'chat'),
          text('gen_ai.request.model', 'gpt-4o-mini'),
          text('gen_ai.prompt.0.role', 'user'),
          text('gen_ai.prompt.0.content', 'word '.repeat(400)),
          { key: 'gen_ai.usage.input_tokens', value: { intValue: '400' } },
          { key: 'gen_ai.usage.output_tokens', value: { intValue: '40' } },
        ],
})

const spansAtOnce = 500

/** Measures from a navigation to the first span of a trace, small and large in turns. */
export const measureFirstSpans = async (
  { report, jetty, createDatabase }: Stage,
  browser: MeasuredBrowser,
  isQuick: boolean,
): Promise<void> => {
  const sizes = { small: 100, large: 10_000 }
  const server = await jetty({ environment: { DATABASE_URL: await createDatabase('spans') } })
  await server.call('POST', '/api/v1/collections', { name: 'acme' })
  const names = Object.keys(sizes) as (keyof typeof sizes)[]
  const ids = { small: hex(32, 1), large: hex(32, 2) }
  for (const name of names) {
    for (let from = 0; from < sizes[name]; from += spansAtOnce) {
      const count = Math.min(spansAtOnce, sizes[name] - from)
      const spans = Array.from({ length: count }, (_, at) => spanOf(ids[name], from + at))
      const resource = { attributes: [text('service.name', 'bot')] }
      const response = await fetch(`${server.url}/v1/traces`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${server.adminToken}`,
          'content-type': 'application/json',
          'x-jetty-collection': 'acme',
        },
        body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
      })
      if (!response.ok) throw new Error(await response.text())
    }
  }

  const tab = await openSignedInTab(browser, server, noteFirstSpan)
  const times = {
    small: { page: [] as number[], api: [] as number[] },
    large: { page: [] as number[], api: [] as number[] },
  }
  const rounds = isQuick ? 5 : 20
  for (let round = -2; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      await tab.page.goto(`/acme/bot/${ids[name]}`)
      const page = await tab.evaluate<number>('firstSpan')
      await tab.page.goto('/-/nothing') // whose requests are over before the call alone
      const begun = performance.now()
      await server.call('GET', `/api/v1/db/trajectory/acme/bot/${ids[name]}?view=summary`)
      const api = performance.now() - begun
      if (round < 0) continue // warms up
      times[name].page.push(page)
      times[name].api.push(api)
    }
  }
  await tab.close()
  await server.stop()
  report.table(`from the navigation to the first span, ${rounds} times each, files in the cache`, [
    ['spans', 'ms p50', 'ms p95', 'the API alone, ms p50', 'to the API'],
    ...names.map((name) => {
      const { page, api } = times[name]
      const ratio = median(page) / median(api)
      return [sizes[name].toLocaleString('en'), median(page), percentile(page, 0.95), median(api), ratio]
    }),
  ])
  const title = `first span of ${sizes.large.toLocaleString('en')}`
  report.aim(`${title}, p50`, times.large.page, 'at most', 400, ' ms')
  report.figure(`${title}, to that of ${sizes.small}`, ratios(times.large.page, times.small.page), ' ×')
  report.figure(`${title}, to the request alone`, ratios(times.large.page, times.large.api), ' ×')
}
