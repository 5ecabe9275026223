import type { Database } from '../../src/store/database/database.ts'
import { sealedColumns } from '../../src/store/secrets/sealed-texts.ts'
import { inDatabase } from '../database-server.ts'
import { type Exchange, tapPort } from './http-tap.ts'
import { everyColumn, everyFile, type Place, unpacked } from './places.ts'
import { sentSecrets } from './sent-secrets.ts'
import { finderOf, shortestSecret, spellingsOf } from './spellings.ts'

/** Remembers the secrets that a test uses and looks for them wherever they must not be. */
export interface LeakWatch {
  /** A value that must never be seen again; shorter ones than six characters are let go. */
  remember(name: string, value: string): void
  /** Keeps a log line, to be looked through later. */
  log(line: string): void
  /** Looks at every request that the server at this address gets, and at its answers. */
  watchServer(url: string, options?: { showsVariables?: boolean }): void
  /** Throws where a secret was found in an answer, a log line, a row or a file; it never tells the secret itself. */
  check(places: { databaseUrl?: string; files?: string }): Promise<void>
}

const keptBytes = 48 * 1024 * 1024
const mostFinds = 20
const sealedText = /^v1\.[0-9a-f]{8}\.[\w-]{38,}$/

interface Secret {
  name: string
  /** It stands in a workflow that was sent: a definition is the caller's own text and is kept as it is. */
  inWorkflow: boolean
}

interface Spelled {
  secret: Secret
  kind: string
  spelling: string
}

const togetherLength = 1024 * 1024

/** Where a workflow may be seen as it was sent. */
const showsWorkflows = /^the column (definitions\.workflow|task_versions\.\w+)$|^the answer to \w+ \/api\/v1\/tasks\b/

export const makeLeakWatch = (): LeakWatch => {
  const secrets = new Map<string, Secret>()
  const exchanges: { exchange: Exchange; showsVariables: boolean }[] = []
  const workflows: string[] = []
  const taps: (() => void)[] = []
  const finds = new Set<string>()
  let lines: string[] = []
  let lineBytes = 0

  const remember = (name: string, value: string) => {
    if (value.length >= shortestSecret && value !== '***' && !secrets.has(value)) {
      secrets.set(value, { name, inWorkflow: false })
    }
  }

  const readRequest = ({ method, path, contentType, sent, answered, headers }: Exchange): void => {
    const body = Buffer.concat(sent).toString()
    for (const { name, value } of sentSecrets(contentType, body)) remember(name, value)
    if (path.startsWith('/api/v1/tasks')) workflows.push(body)
    if (method !== 'POST' || !(isKeyCreation(path) || isSignIn(path))) return
    for (const [token] of `${headers()}${Buffer.concat(answered)}`.matchAll(/(mlc|js[cho])_[\w-]{20,}/g)) {
      remember('a key, or a half of a session', token)
    }
  }

  let known: { count: number; spelled: Spelled[]; find: (text: string) => Set<string> } | undefined

  /** All secrets as they may be written, and what finds them. */
  const spellings = () => {
    if (known?.count === secrets.size) return known
    const spelled = [...secrets].flatMap(([value, secret]) =>
      spellingsOf(value).map(([kind, spelling]) => ({ secret, kind, spelling })),
    )
    known = { count: secrets.size, spelled, find: finderOf(spelled.map(({ spelling }) => spelling)) }
    return known
  }

  const searchTogether = (places: readonly Place[]): void => {
    const { spelled, find } = spellings()
    const found = find(places.map(({ text }) => text).join('\n'))
    for (const { secret, kind, spelling } of spelled) {
      if (!found.has(spelling)) continue
      for (const { where, text } of places) {
        if (!text.includes(spelling) || (secret.inWorkflow && showsWorkflows.test(where))) continue
        finds.add(`${secret.name}, written as ${kind}, is in ${where}`)
      }
    }
  }

  /** Short texts are searched many at once. */
  const search = (places: Iterable<Place>): void => {
    let some: Place[] = []
    let size = 0
    for (const place of places) {
      some.push(place)
      size += place.text.length
      if (size < togetherLength) continue
      searchTogether(some)
      some = []
      size = 0
    }
    searchTogether(some)
  }

  /** Looks through what was kept and lets it go. */
  const searchKept = (): void => {
    for (const { exchange } of exchanges) readRequest(exchange)
    const found = spellings().find(workflows.join('\n'))
    for (const { secret, spelling } of spellings().spelled) secret.inWorkflow ||= found.has(spelling)
    const answers = exchanges
      .filter(({ exchange, showsVariables }) => !mayShow(exchange, showsVariables))
      .map(({ exchange }) => ({
        where: `the answer to ${exchange.method} ${exchange.path.split('?', 1)[0]}`,
        text: `${exchange.headers()}\n${unpacked(Buffer.concat(exchange.answered))}`,
      }))
    search(answers)
    search([{ where: 'the log', text: lines.join('\n') }])
    const open = exchanges.filter(({ exchange }) => !exchange.done)
    exchanges.splice(0, exchanges.length, ...open)
    lines = []
    lineBytes = 0
  }

  const searchDatabase = async (database: Database): Promise<void> => {
    const listed = new Set(sealedColumns.map(({ table, sealed }) => `${table}.${sealed}`))
    let batch: Place[] = []
    for await (const place of everyColumn(database)) {
      if (sealedText.test(place.text) && !listed.has(`${place.table}.${place.column}`)) {
        finds.add(`${place.where} holds sealed texts and is not in sealedColumns: a new key would not reach them`)
      }
      if (batch.push(place) < 1_000) continue
      search(batch)
      batch = []
    }
    search(batch)
  }

  return {
    remember,
    log(line) {
      lines.push(line)
      lineBytes += line.length
      if (lineBytes > keptBytes) searchKept()
    },
    watchServer(url, { showsVariables = false } = {}) {
      const onExchange = (exchange: Exchange) => {
        exchanges.push({ exchange, showsVariables })
        if (exchanges.length % 500 === 0 && sizeOf(exchanges) > keptBytes) searchKept()
      }
      taps.push(tapPort(Number(new URL(url).port), onExchange))
    },
    async check({ databaseUrl, files }) {
      for (const stop of taps.splice(0)) stop()
      searchKept()
      if (databaseUrl) await inDatabase(databaseUrl, searchDatabase)
      if (files) search(everyFile(files))
      const found = [...finds].slice(0, mostFinds)
      finds.clear()
      if (found.length > 0) throw new Error(`Secrets were found where they must not be:\n  ${found.join('\n  ')}`)
    },
  }
}

const isKeyCreation = (path: string): boolean => /^\/api\/v1\/api-keys\/?$/.test(path)

const sizeOf = (exchanges: { exchange: Exchange }[]): number =>
  exchanges.reduce((sum, { exchange }) => sum + exchange.answered.reduce((size, chunk) => size + chunk.length, 0), 0)

/** A worker gets the values that its step names. */
const isPollOfWorker = (path: string): boolean => /^\/api\/v1\/workers\/[\w-]+\/poll$/.test(path)

const isSignIn = (path: string): boolean => /^\/api\/v1\/session(\/links)?\/?$/.test(path)

/** The answers that show a key or a half of a session, and those that show variables where the server is set to. */
const mayShow = ({ method, path }: Exchange, showsVariables: boolean): boolean =>
  (method === 'POST' && (isKeyCreation(path) || isSignIn(path) || isPollOfWorker(path))) ||
  (showsVariables && path.startsWith('/api/v1/collections'))
