// Answers about sessions and users, made up: a conversation over a gateway call, a run and a trace.
import type { Conversation, ListedConversation, Turn, User } from '../../src/model/runs/conversation.ts'
import type { DailyStats } from '../../src/model/runs/daily-stats.ts'
import { answerKey, type Fixture } from '../../web/fixtures/fixture.ts'

const collection = 'fixtures'
const at = (minutes: number): string => new Date(Date.parse('2026-11-28T11:00:00Z') + minutes * 60_000).toISOString()

const figures = (runs: number, minutes: number) => ({
  ...{ runs, first_at: at(-40), last_at: at(minutes), cost_usd: runs * 0.0123, tokens: runs * 1100, calls: runs },
})
const long =
  'a-session-with-a-name-that-nobody-would-type-but-a-program-does-0123456789-0123456789-0123456789-0123456789'
const sessions: ListedConversation[] = [
  { session: 'support/4711', user: 'ada@example.com', ...figures(40, 50) },
  { session: long, user: null, ...figures(1, 20) },
]
const users: User[] = [
  { user: 'ada@example.com', ...figures(14, 50) },
  { user: 'grace@example.com', ...figures(13, 49) },
  { user: 'edsger@example.com', ...figures(13, 48) },
]
const turn = (minutes: number, more: Partial<Turn>): Turn => ({
  ...{ trajectory_id: `0000000${minutes}`, task: '_chat', trigger: 'gateway', status: 'completed' },
  ...{ created: at(minutes), duration_seconds: 1.4, user: 'ada@example.com', cost_usd: 0.0123, tokens: 1100 },
  ...{ said: 'How long is the jetty of Southend?', answered: 'About 2.16 km: it is the longest pleasure pier.' },
  ...{ started: [], started_total: 0, ...more },
})
const conversation: Conversation = {
  ...(sessions[0] as ListedConversation),
  turns: [
    turn(1, {}),
    turn(2, {
      ...{
        task: 'compare-piers',
        trigger: 'api',
        said: '{"piers":["Southend","Busan","Santa Monica"]}',
        user: 'grace@example.com',
      },
      ...{ answered: 'Southend is the longest.\n\n1. Southend: 2,158 m\n2. Santa Monica: 488 m\n3. Busan: 100 m' },
      started: ['completed', 'completed', 'failed'].map((status, n) => ({
        ...{ trajectory_id: `1000000${n}`, task: 'measure-pier', status: status as Turn['status'] },
      })),
      ...{ started_total: 3, cost_usd: 0.0451, tokens: 5230, duration_seconds: 12 },
    }),
    turn(3, { ...{ task: 'help-desk', trigger: 'ingest', user: null, said: 'Thanks!', answered: 'You are welcome.' } }),
    turn(4, {
      ...{ status: 'failed', answered: 'openai answered 500', cost_usd: null, tokens: 0, said: 'x'.repeat(300) },
    }),
  ],
  ...{ next_cursor: 'more', has_more: true },
}
const none = { runs: null, p50_duration_seconds: null, p95_duration_seconds: null }
const byDay: DailyStats = {
  ...{ collection, from: '2026-10-30', to: '2026-11-28', label: 'user:ada@example.com', by: 'day' },
  rows: Array.from({ length: 14 }, (_, day) => ({
    ...{ key: `2026-11-${String(day * 2 + 1).padStart(2, '0')}`, ...none },
    ...{ cost_usd: 0.01 * ((day * 7) % 5) + 0.004, tokens: 1100 * (day + 1), calls: ((day * 3) % 7) + 1 },
  })),
  totals: { ...none, cost_usd: 0.3, tokens: 12_000, calls: 40 },
}

const teams = ['support', 'research', '(other)'].map((key, n) => ({
  ...{ key, ...none, cost_usd: 0.2 - n * 0.07, tokens: 9_000 - n * 3_000, calls: 24 - n * 8 },
}))

const keyOf = (request: string): string => {
  const [method = 'GET', address = ''] = request.split(' ')
  return answerKey(method, address)
}
const page = (name: string, path: string, answers: Record<string, unknown>): Fixture => ({
  ...{ name, page: path, now: '2026-11-28T12:00:00Z' },
  answers: Object.fromEntries(
    Object.entries(answers).map(([key, body]) => [
      keyOf(key),
      { status: 200, type: 'application/json', body: JSON.stringify(body) },
    ]),
  ),
})
const end = { next_cursor: null, has_more: false }
const api = '/api/v1'

/** The pages of sessions and users. */
export const conversationFixtures: readonly Fixture[] = [
  page('sessions', `/${collection}/-/sessions`, {
    [`GET ${api}/conversations/${collection}`]: { conversations: sessions, ...end },
  }),
  page('sessions-none', '/empty/-/sessions', { [`GET ${api}/conversations/empty`]: { conversations: [], ...end } }),
  page('session', `/${collection}/-/sessions/support%2F4711`, {
    [`GET ${api}/conversations/${collection}/support%2F4711`]: conversation,
  }),
  page('users', `/${collection}/-/users`, {
    [`GET ${api}/users/${collection}`]: { users, ...end },
    [`GET ${api}/collections/${collection}/settings`]: { label_totals: ['team'] },
    [`GET ${api}/stats/${collection}?by=label&label=team&from=2026-10-30`]: { ...byDay, by: 'label', rows: teams },
  }),
  page('users-none', '/empty/-/users', {
    [`GET ${api}/users/empty`]: { users: [], ...end },
    [`GET ${api}/collections/empty/settings`]: { label_totals: null },
  }),
  page('user', `/${collection}/-/users/ada%40example.com`, {
    [`GET ${api}/users/${collection}/ada%40example.com`]: users[0],
    [`GET ${api}/stats/${collection}?label=user%3Aada%40example.com&from=2026-10-30`]: byDay,
    [`GET ${api}/conversations/${collection}?user=ada%40example.com&limit=100`]: { conversations: sessions, ...end },
  }),
]
