import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { contract } from '../../../src/api/contract.ts'
import type { Contract, Endpoint } from '../../../src/http/endpoint.ts'
import { hasWarningsMember } from '../../../src/http/warnings.ts'
import { warningSchema } from '../../../src/model/warning.ts'
import { publishedAnswer, publishedSchema, undeclared } from '../../declared.ts'
import { startTestServer, type TestServer } from '../../server.ts'
import { type Answered, type Ask, send } from '../../walk/ask.ts'
import { type Operation, operations, type Refusal } from '../../walk/operations.ts'
import { spoilt } from '../../walk/spoilt.ts'
import { difference, stateSum, wholeState } from '../../walk/state.ts'
import { asUnknown, foreignIn, makeWorld, type Place, type Side, unknownLike } from '../../walk/world.ts'

interface Described {
  operationId: string
  method: string
  path: string
  aliases: string[]
  needsToken: boolean
}

let jetty: TestServer
let mine: Side
let theirs: Side
let described: Map<string, Described>
let document: Record<string, unknown>

beforeAll(async () => {
  const keys = [randomBytes(32), randomBytes(32)].map((key) => key.toString('base64'))
  const env = { JETTY_AUTH_FAILURES_PER_MINUTE: '0', JETTY_SECRET_KEY: keys.join(','), JETTY_DRAIN_SECONDS: '0' }
  jetty = await startTestServer({ env })
  const world = await makeWorld(jetty)
  mine = world.mine
  theirs = world.theirs
  document = JSON.parse(await (await fetch(`${jetty.url}/openapi.json`)).text())
  described = new Map(readDocument().map((one) => [one.operationId, one]))
})
afterAll(() => jetty?.close())

const readDocument = (): Described[] =>
  Object.entries(document.paths as Record<string, Record<string, Record<string, unknown>>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({
      operationId: String(one.operationId),
      method: method.toUpperCase(),
      path,
      aliases: (one['x-aliases'] ?? []) as string[],
      needsToken: (one.security as object[]).length > 0,
    })),
  )

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const notFound: Refusal = [404]
const port = () => Number(new URL(jetty.url).port)
const asText = (ask: Ask) => JSON.stringify(ask)

/** The same call by the other paths that lead to it. */
const aliasesOf = (one: Described, ask: Ask): Ask[] => {
  const [target = '', query] = ask.path.split('?', 2)
  const names = one.path.split('/')
  const values = new Map(target.split('/').map((value, index) => [names[index], value]))
  return one.aliases.map((alias) => {
    const path = alias.replace(/\{(\w+)(\.\.\.)?\}/g, (part, name) => values.get(`{${name}}`) ?? part)
    return { ...ask, path: query === undefined ? path : `${path}?${query}` }
  })
}

const takesApiKeyHeader = (name: string): boolean => (contract as Contract)[name]?.apiKeyHeader ?? false

const takesBasic = (name: string): boolean => (contract as Contract)[name]?.basicAuth ?? false

const theOne = (name: string): Described => {
  const one = described.get(name)
  if (!one) throw new Error(`test/walk/operations.ts describes ${name}, which the OpenAPI document does not have`)
  return one
}

const call = (name: string, ask: Ask, headers: Record<string, string>, method = theOne(name).method) =>
  send(port(), method, ask, headers)

/** Nothing of the foreign side but what the caller has sent himself. */
const expectNothingForeign = (name: string, answer: Answered, ask: Ask): void => {
  const words = (text: string) => foreignIn(theirs, text.replaceAll('/', ' '))
  const sent = new Set(words(decodeURIComponent(asText(ask))))
  const told = words(answer.text).filter((word) => !sent.has(word))
  expect(told, `${name} tells of the foreign side: ${asText(ask)}`).toEqual([])
}

const expectRefused = async (name: string, what: string, ask: Ask, token: string, expected: Refusal): Promise<void> => {
  const answer = await call(name, ask, bearer(token))
  expect([answer.status, ...(expected.length > 1 ? [answer.detail] : [])], `${what}: ${asText(ask)}`).toEqual(expected)
  expectNothingForeign(name, answer, ask)
}

/** Every field of a JSON answer is declared in the document, but for `warnings`, which every object of ours may have. */
const expectDeclared = (name: string, { status, headers, text }: Answered): void => {
  if (!String(headers['content-type']).startsWith('application/json')) return
  const published = publishedAnswer(document, name, status)
  if (!published) throw new Error(`${name} answers ${status} with JSON that the document does not describe`)
  const surplus = undeclared(published, JSON.parse(text))
  const isWarned = surplus.includes('.warnings') && hasWarningsMember((contract as Contract)[name] as Endpoint)
  if (isWarned) expect(undeclared(publishedSchema(z.array(warningSchema)), JSON.parse(text).warnings)).toEqual([])
  expect(surplus, name).toEqual(isWarned ? ['.warnings'] : [])
}

/** An answer has one of the content types that the document declares for its status. */
const expectMediaType = (name: string, { status, headers, text }: Answered): void => {
  if (text === '') return
  const sent = String(headers['content-type']).split(';')[0]
  const declared = mediaTypes(name, status)
  expect(declared.includes(String(sent)) || declared.includes('*/*'), `${name} sends ${sent}, not ${declared}`).toBe(
    true,
  )
}

const mediaTypes = (name: string, status: number): string[] => {
  const paths = document.paths as Record<string, Record<string, Record<string, unknown>>>
  const one = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .find(({ operationId }) => operationId === name)
  const responses = one?.responses as Record<string, { content?: object }> | undefined
  return Object.keys(responses?.[status]?.content ?? {})
}

/** The state after the last call that was to change nothing; calls that may change something forget it. */
let known: { rows: string[]; sum: string } | undefined

/** Waits for calls that are under way: they share statements, and wake server and database less often. */
const together = async (calls: Promise<void>[]): Promise<void> => {
  const failed = (await Promise.allSettled(calls)).find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}

const changingNothing = async (work: () => Promise<void>): Promise<void> => {
  const before = known ?? { rows: await wholeState(jetty), sum: await stateSum(jetty) }
  known = undefined
  await work()
  if ((await stateSum(jetty)) !== before.sum) expect(difference(before.rows, await wholeState(jetty))).toEqual([])
  else known = before
}

const needing = (...needs: Operation['needs'][]): [string, Operation][] =>
  Object.entries(operations).filter(([, operation]) => needs.includes(operation.needs))

/** The call of what is ours, by every path that leads to it. */
const ownCalls = (name: string, operation: Operation): Ask[] => {
  const own = operation.ask(mine)
  return [own, ...aliasesOf(theOne(name), own)]
}

describe('no valid token', () => {
  const invalid = (name: string): [Record<string, string>, string][] => [
    [bearer('mlc_short'), 'Invalid API key format'],
    [bearer('nonsense'), 'Invalid API key or JWT token'],
    [bearer(`${jetty.server.adminToken.slice(0, -1)}!`), 'Invalid API key or JWT token'],
    [bearer(`mlc_${'a'.repeat(32)}`), 'Invalid or inactive API key'],
    [bearer(mine.revoked), 'Invalid or inactive API key'],
    [bearer(mine.expired), 'Invalid or inactive API key'],
    takesBasic(name)
      ? [{ authorization: `Basic ${btoa('x:mlc_short')}` }, 'Invalid API key format']
      : [{ authorization: `Basic ${btoa(`x:${mine.key}`)}` }, 'Not authenticated'],
  ]
  const misplaced = (name: string): Record<string, string>[] => {
    const cookie = `token=${mine.key}`
    return [{}, takesApiKeyHeader(name) ? { cookie } : { cookie, 'x-api-key': mine.key }]
  }

  const expectUnknown = async (name: string, ask: Ask, headers: Record<string, string>, detail: string) => {
    const { status, detail: told, headers: sent } = await call(name, ask, headers)
    expect([status, told, sent['www-authenticate']], asText(ask)).toEqual([401, detail, 'Bearer'])
  }

  /** HEAD is answered as GET is, whatever the token is not: it is asked once for each path. */
  const expectUnknownHead = async (name: string, ask: Ask, headers: Record<string, string>) => {
    if (theOne(name).method === 'GET') expect((await call(name, ask, headers, 'HEAD')).status).toBe(401)
  }

  test.each(needing('optional', 'read', 'write', 'worker', 'admin'))('%s', (name, operation) =>
    changingNothing(async () => {
      for (const ask of ownCalls(name, operation)) {
        await together([
          ...invalid(name).map(([headers, detail]) => expectUnknown(name, ask, headers, detail)),
          expectUnknownHead(name, ask, bearer(mine.revoked)),
        ])
      }
    }),
  )

  test.each(needing('read', 'write', 'worker', 'admin'))(
    '%s: none at all, or not where it belongs',
    (name, operation) =>
      changingNothing(async () => {
        for (const ask of ownCalls(name, operation)) {
          const [target = '', query] = ask.path.split('?', 2)
          const search = query === undefined ? '' : `?${query}`
          const inQuery = `${target}?${query ?? ''}&access_token=${mine.key}&token=${mine.key}`
          const paths = [ask.path, `${target}/${search}`, inQuery]
          await together(
            paths.flatMap((path) => [
              ...misplaced(name).map((headers) => expectUnknown(name, { ...ask, path }, headers, 'Not authenticated')),
              expectUnknownHead(name, { ...ask, path }, {}),
            ]),
          )
        }
      }),
  )
})

describe('a token is looked at before body and query', () => {
  test.each(needing('optional', 'read', 'write', 'worker', 'admin'))('%s', (name, operation) =>
    changingNothing(async () => {
      const wrong: [Record<string, string>, string][] = [
        [bearer(`mlc_${'a'.repeat(32)}`), 'Invalid or inactive API key'],
      ]
      if (operation.needs !== 'optional') wrong.push([{}, 'Not authenticated'])
      const expectWrong = async (ask: Ask, headers: Record<string, string>, detail: string) => {
        const answer = await call(name, ask, headers)
        expect([answer.status, answer.detail], asText(ask)).toEqual([401, detail])
      }
      for (const own of ownCalls(name, operation)) {
        const calls = spoilt(own).flatMap((ask) => wrong.map(([headers, detail]) => expectWrong(ask, headers, detail)))
        await together(calls)
      }
    }),
  )
})

describe('a key of too low a level', () => {
  const expectLevel = (name: string, operation: Operation, keys: string[], detail: string) =>
    changingNothing(async () => {
      const calls = ownCalls(name, operation).flatMap((ask) =>
        keys.map((key) => expectRefused(name, 'level', ask, key, [403, detail])),
      )
      await together(calls)
    })

  test.each(needing('write'))('%s', (name, operation) =>
    expectLevel(name, operation, [mine.reader], 'Access level WRITE required.'),
  )
  test.each(needing('admin'))('%s', (name, operation) =>
    expectLevel(name, operation, [mine.reader, mine.key], 'Admin access required'),
  )
  test.each(needing('worker'))('%s', (name, operation) =>
    expectLevel(name, operation, [mine.reader], 'Access level WORKER or WRITE required'),
  )
  test.each(needing('optional', 'read', 'write', 'admin'))('%s is not for a key of workers', (name, operation) =>
    expectLevel(name, operation, [mine.workerKey], 'This key is for workers: it takes jobs, and nothing else'),
  )
  test.each(needing('read').filter(([, { own }]) => own))('%s is for a read key too', async (name, operation) => {
    known = undefined
    const answer = await call(name, operation.ask(mine), bearer(mine.reader))
    expect([200, 204, 404]).toContain(answer.status) // the key may, and there may be nothing of its own
    expectNothingForeign(name, answer, operation.ask(mine))
  })
  const reading = needing('read').filter(([, { own }]) => !own)
  test.each(reading)('%s is for a read key too, and changes nothing', (name, operation) =>
    changingNothing(async () => {
      const answer = await call(name, operation.ask(mine), bearer(mine.reader))
      expect(answer.status, answer.text).toBe(operation.status ?? 200)
      expectNothingForeign(name, answer, operation.ask(mine))
    }),
  )
})

describe('what is foreign is neither told of nor changed', () => {
  test.each(needing('optional', 'read', 'write', 'worker', 'admin'))('%s', (name, operation) =>
    changingNothing(async () => {
      const foreign = operation.ask(theirs)
      const tried = [operation.ask(mine), foreign].map(asText)
      const calls: Promise<void>[] = []
      if (tried[0] !== tried[1]) {
        for (const ask of [foreign, ...aliasesOf(theOne(name), foreign)]) {
          calls.push(expectRefused(name, 'all of it', ask, mine.key, operation.stranger ?? notFound))
        }
      }
      for (const field of Object.keys(mine) as (keyof Place)[]) {
        const ask = operation.ask({ ...mine, [field]: theirs[field] })
        const expected = operation.mixed?.[field] ?? ([404] as const)
        if (tried.includes(asText(ask)) || expected === 'own') continue
        calls.push(expectRefused(name, `${field} alone`, ask, mine.key, field === 'collection' ? notFound : expected))
      }
      for (const [ask, ...expected] of operation.reaching?.(mine, theirs) ?? []) {
        calls.push(expectRefused(name, 'another way', ask, mine.key, expected))
      }
      await together(calls)
    }),
  )
})

describe('what is foreign is answered like what does not exist', () => {
  /** Both answers, with the names of the foreign side replaced; headers are the same but for the id of the request. */
  const expectAlike = async (name: string, foreign: Ask, unknown: Ask, headers: Record<string, string>) => {
    const [one, other] = await Promise.all([call(name, foreign, headers), call(name, unknown, headers)])
    const told = ({ status, text, headers: sent }: Answered) => [status, asUnknown(theirs, text), sent['content-type']]
    expect(told(one), `${asText(foreign)} against ${asText(unknown)}`).toEqual(told(other))
  }

  test.each(needing('optional', 'read', 'write', 'worker', 'admin'))('%s', (name, operation) =>
    changingNothing(async () => {
      if (operation.tellsWhatExists) return
      const nothing = unknownLike(theirs)
      const pairs: [Ask, Ask][] = [[operation.ask(theirs), operation.ask(nothing)]]
      for (const field of Object.keys(nothing) as (keyof Place)[]) {
        if (operation.mixed?.[field] === 'own') continue
        pairs.push(
          [
            { ...mine, [field]: theirs[field] },
            { ...mine, [field]: nothing[field] },
          ].map(operation.ask) as never,
        )
      }
      const unknown = operation.reaching?.(mine, { ...theirs, ...nothing }) ?? []
      for (const [at, [ask]] of (operation.reaching?.(mine, theirs) ?? []).entries()) {
        const [other] = unknown[at] as (typeof unknown)[number]
        pairs.push([ask, other])
      }
      const different = pairs.filter(([one, other]) => asText(one) !== asText(other))
      for (const [foreign, like] of different) {
        const callers: [Record<string, string>, Operation['needs'][]][] = [
          [bearer(mine.key), ['optional', 'read', 'write', 'worker']],
          [bearer(mine.reader), ['optional', 'read']],
          [{}, ['optional']],
        ]
        const calls: Promise<void>[] = []
        for (const [headers, may] of callers) {
          calls.push(expectAlike(name, foreign, like, headers))
          if (!may.includes(operation.needs)) continue // refused for the token, whatever body and query are
          // An empty body is a valid one of some calls: those are carried out, and go on record.
          const [, ...others] = spoilt(like)
          for (const [at, ask] of spoilt(foreign).slice(1).entries()) {
            const other = others[at] as Ask
            if (asText(ask) !== asText(other)) calls.push(expectAlike(name, ask, other, headers))
          }
        }
        await together(calls)
      }
    }),
  )
})

const foreignRows = async (): Promise<string[]> =>
  (await wholeState(jetty)).filter((row) => foreignIn(theirs, row).length > 0 && !row.startsWith('server '))

test('a private task is not told from a missing one, nor its collection from one that does not exist', async () => {
  const places = [
    [theirs.collection, theirs.task],
    [theirs.collection, 'nothing'],
    ['nowhere', 'nothing'],
    [theirs.collection.toUpperCase(), theirs.task],
  ]
  for (const headers of [{}, bearer(mine.key)]) {
    const answers = await Promise.all(
      places.map(async ([collection = '', task = '']) => {
        const { status, text } = await send(port(), 'GET', { path: `/api/v1/tasks/${collection}/${task}` }, headers)
        return [status, text.replace(`'${collection}'`, 'C').replace(`'${task}'`, 'T')]
      }),
    )
    expect(answers[0]?.[0]).toBe('authorization' in headers ? 404 : 401)
    for (const answer of answers) expect(answer).toEqual(answers[0])
  }
})

describe('valid calls, one after the other', () => {
  let knownForeign: string[] | undefined

  test.each(Object.entries(operations))('%s', async (name, operation) => {
    const headers =
      operation.needs === 'none' ? {} : bearer(operation.needs === 'admin' ? jetty.server.adminToken : mine.key)
    const before = knownForeign ?? (await foreignRows())
    knownForeign = undefined
    for (const ask of [...(operation.harmless?.(mine, theirs) ?? []), operation.ask(mine)]) {
      const answer = await call(name, ask, headers)
      const expected = operation.status ?? (answer.status >= 200 && answer.status < 300 ? answer.status : 200)
      expect(answer.status, `${asText(ask)}: ${answer.text.slice(0, 500)}`).toBe(expected)
      if (operation.needs !== 'admin') expectNothingForeign(name, answer, ask)
      expectDeclared(name, answer)
      if (answer.status < 300) expectMediaType(name, answer)
    }
    if (name === 'rotateSecretKey') return // it goes on to change what is sealed
    knownForeign = await foreignRows()
    expect(difference(before, knownForeign)).toEqual([])
  })
})

describe('the document', () => {
  test('has no operation that is not walked', () => {
    const unknown = [...described.keys()].filter((name) => !operations[name])
    expect(unknown, 'say in test/walk/operations.ts how these are called').toEqual([])
    expect(Object.keys(operations).filter((name) => !described.has(name))).toEqual([])
    expect([...described.keys()].sort()).toEqual(Object.keys(contract).sort())
  })

  test('is open to nobody but in these places', () => {
    const open = [...described.values()].filter((one) => !one.needsToken).map((one) => one.operationId)
    expect(open.sort()).toEqual(
      [
        ...['getHealth', 'getReady', 'getOpenApi', 'getDocs'],
        ...['runDemo', 'getDemoStatus', 'getDemoReport', 'signUpByEmail', 'signIn', 'sendCallback'],
        ...['listDocs', 'searchDocs', 'getDocsPage', 'getLlmsText', 'getLlmsFullText', 'validateCroissant'],
        ...['connectRealtime', 'receiveDelivery'],
      ].sort(),
    )
    expect(
      needing('none')
        .map(([name]) => name)
        .sort(),
    ).toEqual(open)
    const optional = Object.keys(contract).filter(
      (name) => contract[name as keyof typeof contract].access === 'optional',
    )
    expect(optional.sort()).toEqual([
      ...['getDataset', 'getDatasetCroissant', 'getDatasetPreview', 'getDatasetUpstream', 'getModel'],
      ...['getStepTemplate', 'getTask', 'listStepTemplates', 'searchDatasets'],
    ])
  })
})
