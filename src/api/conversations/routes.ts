import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { timestamp } from '../../lib/time.ts'
import type { Turn } from '../../model/runs/conversation.ts'
import type { Queries } from '../../store/database/database.ts'
import {
  findValue,
  type ListedKey,
  type ListedValue,
  listValues,
  sessionsOfUser,
  turnsOf,
} from '../../store/runs/conversations.ts'
import { conversationsContract } from './contract.ts'
import { answeredIn, saidIn } from './turn-texts.ts'

interface ConversationsDeps {
  database: Queries
}

const figuresOf = ({ runs, first_at, seen_at, usd, tokens, calls }: ListedValue) => ({
  ...{ runs, first_at: timestamp(first_at), last_at: timestamp(seen_at) },
  ...{ cost_usd: usd, tokens, calls },
})

const shownSession = (row: ListedValue) => ({ session: row.value, user: row.user, ...figuresOf(row) })
const shownUser = (row: ListedValue) => ({ user: row.value, ...figuresOf(row) })

const cursorOf = ({ place, value }: ListedValue): string => `${place}.${Buffer.from(value).toString('base64url')}`

/** Reads a cursor, whose form the contract has checked. */
const placeOf = (cursor: string | undefined): { place: number; value: string } | undefined => {
  if (cursor === undefined) return undefined
  const [place = '', value = ''] = cursor.split('.')
  return { place: Number(place), value: Buffer.from(value, 'base64url').toString() }
}

type TurnRow = Awaited<ReturnType<typeof turnsOf>>[number]

const shownTurn = (row: TurnRow): Turn => ({
  trajectory_id: row.trajectory_id,
  task: row.task,
  trigger: row.trigger,
  status: row.status,
  created: timestamp(row.created_at),
  duration_seconds: row.ended_at && (row.ended_at.getTime() - row.created_at.getTime()) / 1000,
  user: row.user,
  said: saidIn(row.init_params, row.inputs),
  answered: answeredIn(row.outputs) || (row.error ?? ''),
  cost_usd: row.usd,
  tokens: row.tokens,
  started: row.started,
  started_total: row.started_total,
})

/** A page of rows of which one more than wanted was read. */
const pageOf = <Row>(rows: readonly Row[], limit: number, cursor: (row: Row) => string) => {
  const some = rows.slice(0, limit)
  const last = some.at(-1)
  const has_more = rows.length > limit
  return { some, next: { next_cursor: has_more && last ? cursor(last) : null, has_more } }
}

export const conversationsRoutes = ({ database }: ConversationsDeps): Route[] => {
  const valuesOf = async (
    collectionId: number,
    key: ListedKey,
    query: { cursor?: string | undefined; limit: number },
  ) => {
    const page = { collectionId, key, after: placeOf(query.cursor), limit: query.limit + 1 }
    return pageOf(await listValues(database, page), query.limit, cursorOf)
  }
  const findListed = async ({ id, name }: { id: number; name: string }, key: ListedKey, value: string) => {
    const row = await findValue(database, id, key, value)
    if (row) return row
    throw new AppError('not_found', `There are no runs with the ${key} '${value.slice(0, 100)}' in ${name}`)
  }
  return implement(conversationsContract, {
    listConversations: async ({ collection, query }) => {
      if (query.user !== undefined) {
        const rows = await sessionsOfUser(database, collection.id, query.user, query.limit)
        return { conversations: rows.map(shownSession), next_cursor: null, has_more: false }
      }
      const { some, next } = await valuesOf(collection.id, 'session', query)
      return { conversations: some.map(shownSession), ...next }
    },

    getConversation: async ({ collection, params: { session }, query: { cursor, limit } }) => {
      const row = await findListed(collection, 'session', session)
      const [place = 0, number = 0] = cursor?.split('.').map(Number) ?? []
      const after = cursor === undefined ? undefined : { place, number }
      const rows = await turnsOf(database, collection.id, session, { after, limit: limit + 1 })
      const { some, next } = pageOf(rows, limit, (turn) => `${turn.place}.${turn.number}`)
      return { ...shownSession(row), turns: some.map(shownTurn), ...next }
    },

    listUsers: async ({ collection, query }) => {
      const { some, next } = await valuesOf(collection.id, 'user', query)
      return { users: some.map(shownUser), ...next }
    },

    getUser: async ({ collection, params: { user } }) => shownUser(await findListed(collection, 'user', user)),
  })
}
