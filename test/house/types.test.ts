// Public types, checked by the compiler (see "has no type error"): nothing here fails when it is only executed.
import { describe, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { activity, FailedWith, type MediaObject, WaitUntil } from '../../src/activities/activity.ts'
import {
  activity as declareOwn,
  type OwnActivity,
  type ServerContext,
  type WorkContext,
} from '../../src/activities/own/declare.ts'
import type { contract } from '../../src/api/contract.ts'
import type { Client, EndpointOutput, Input } from '../../src/client/client.ts'
import { createClient, isJettyError, type JettyClient } from '../../src/client/create-client.ts'
import { endpoint, type Params } from '../../src/http/endpoint.ts'
import type { Answer, Call } from '../../src/http/implement.ts'
import { AppError } from '../../src/lib/errors.ts'
import type { Settings } from '../../src/lib/settings/config.ts'
import type { FoundCollection, Identity } from '../../src/model/collections/identity.ts'
import type { SandboxName } from '../../src/model/runbooks/sandbox.ts'
import type { RunEvent } from '../../src/model/runs/run-events.ts'
import type { Step, StepProgress } from '../../src/model/runs/step.ts'
import type { RunSummary, Trajectory, TrajectorySummary } from '../../src/model/runs/trajectory.ts'

type Contract = typeof contract
/** An object type that is written out, in the place of an intersection. */
type Plain<T> = { [Name in keyof T]: T[Name] }

describe('path expressions', () => {
  test('name their parameters', () => {
    expectTypeOf<Params<'/api/v1/tasks/{collection}/{task}'>>().toEqualTypeOf<{ collection: string; task: string }>()
    expectTypeOf<Params<'/api/v1/file/{path...}'>>().toEqualTypeOf<{ path: string }>()
    expectTypeOf<keyof Params<'/health'>>().toEqualTypeOf<never>()
  })
})

const made = endpoint({
  method: 'POST',
  path: '/api/v1/things/{collection}/{thing}',
  summary: 'Make a thing',
  tag: 'Things',
  query: z.object({ limit: z.coerce.number().default(20) }),
  body: z.object({ name: z.string(), size: z.number().default(1) }),
  response: z.object({ id: z.string() }),
})
type Made = typeof made

describe('an endpoint', () => {
  test('keeps the path, access, query, body and answer that it declares', () => {
    expectTypeOf<Made['path']>().toEqualTypeOf<'/api/v1/things/{collection}/{thing}'>()
    expectTypeOf<Made['access']>().toEqualTypeOf<'write'>()
  })

  test('types what a route gets: parsed, with its defaults', () => {
    type Got = Call<Made>
    expectTypeOf<Got['params']>().toEqualTypeOf<{ collection: string; thing: string }>()
    expectTypeOf<Got['query']>().toEqualTypeOf<{ limit: number }>()
    expectTypeOf<Got['body']>().toEqualTypeOf<{ name: string; size: number }>()
    expectTypeOf<Got['collection']>().toEqualTypeOf<FoundCollection>()
    expectTypeOf<Got['identity']>().toEqualTypeOf<Identity>()
    expectTypeOf<Call<Contract['getHealth']>['collection']>().toEqualTypeOf<undefined>()
    expectTypeOf<Call<Contract['getTask']>['identity']>().toEqualTypeOf<Identity | undefined>()
  })

  test('types what a route answers', () => {
    expectTypeOf<{ id: string }>().toExtend<Answer<Made>>()
    expectTypeOf<{ id: number }>().not.toExtend<Answer<Made>>()
  })

  test('types what a caller sends: as it is before it is parsed', () => {
    type Sent = Input<Made>
    expectTypeOf<Sent['params']>().toEqualTypeOf<{ collection: string; thing: string }>()
    expectTypeOf<Sent['body']>().toEqualTypeOf<{ name: string; size?: number | undefined }>()
    expectTypeOf<EndpointOutput<Made>>().toEqualTypeOf<{ id: string }>()
  })

  test('answers bytes and events as a response, and nothing as undefined', () => {
    expectTypeOf<EndpointOutput<Contract['downloadTrajectory']>>().toEqualTypeOf<Response>()
    expectTypeOf<EndpointOutput<Contract['watchTrajectory']>>().toEqualTypeOf<Response>()
  })
})

describe('the client', () => {
  test('gives the documents that the contract declares', () => {
    const params = { collection: 'a', task: 'b', trajectory_id: 'c' }
    const wholeOf = (client: Client) => client.getTrajectory({ params })
    expectTypeOf(wholeOf).returns.resolves.toEqualTypeOf<Trajectory>()
    const summaryOf = (client: Client) => client.getTrajectory({ params, query: { view: 'summary' } })
    expectTypeOf(summaryOf).returns.resolves.toEqualTypeOf<RunSummary>()
    expectTypeOf<Client['listTrajectories']>()
      .returns.resolves.toHaveProperty('trajectories')
      .toEqualTypeOf<Trajectory[] | TrajectorySummary[]>()
    expectTypeOf<Client['runTask']>().returns.resolves.toHaveProperty('trajectory').toEqualTypeOf<Trajectory>()
    expectTypeOf<Trajectory['steps']>().toEqualTypeOf<Record<string, Step>>()
  })

  test('wants every parameter of the path and the body of an operation, and no other', () => {
    const place = { collection: 'acme', task: 'brief' }
    const calls = (client: Client) => [
      client.getTask({ params: place }),
      client.listCollections(),
      // @ts-expect-error the task is missing
      client.getTask({ params: { collection: 'acme' } }),
      // @ts-expect-error the parameters are missing
      client.getTask(),
      // @ts-expect-error there is no such status
      client.setTrajectoryStatuses({ params: place, body: { '1f2e3d4c': 'gone' } }),
      // @ts-expect-error there is no such query parameter
      client.listTrajectories({ params: place, query: { page_size: 3 } }),
    ]
    expectTypeOf(calls).returns.toExtend<Promise<unknown>[]>()
  })

  test('tells the events of a run apart by their names', () => {
    const read = (told: RunEvent) => (told.event === 'progress' ? told.data : undefined)
    expectTypeOf<Plain<NonNullable<ReturnType<typeof read>>>>().toEqualTypeOf<Plain<StepProgress & { step: string }>>()
    expectTypeOf<Extract<RunEvent, { event: 'snapshot' }>['data']>().toEqualTypeOf<Trajectory>()
    expectTypeOf<RunEvent['event']>().toEqualTypeOf<
      'snapshot' | 'step' | 'status' | 'log' | 'label' | 'progress' | 'job' | 'end'
    >()
  })
})

/** Types as `jetty types` writes them. */
interface Tasks {
  'acme/greet': {
    params: { name?: string; times: number }
    steps: { say: { text: string } }
    outputs: { text: string }
  }
}

describe('the client with the types of tasks', () => {
  const typed = (jetty: JettyClient<Tasks>) => jetty.runAndWait('acme/greet', { times: 2 })

  test('types the outputs of a completed run and of its steps', () => {
    type Run = Awaited<ReturnType<typeof typed>>
    expectTypeOf<Extract<Run, { status: 'completed' }>['outputs']>().toEqualTypeOf<{ text: string }>()
    expectTypeOf<Exclude<Run, { status: 'completed' }>['outputs']>().toEqualTypeOf<null>()
    expectTypeOf<NonNullable<Run['steps']['say']>['outputs']>().toEqualTypeOf<{ text: string }>()
  })

  test('refuses another task, and wrong parameters', () => {
    const calls = (jetty: JettyClient<Tasks>) => [
      jetty.run('acme/greet', { times: 1, name: 'moon' }),
      // @ts-expect-error there is no such task
      jetty.run('acme/great', { times: 1 }),
      // @ts-expect-error a parameter is missing
      jetty.run('acme/greet', {}),
      // @ts-expect-error a parameter has another type
      jetty.run('acme/greet', { times: '1' }),
      // @ts-expect-error there is no such parameter
      jetty.run('acme/greet', { times: 1, nmae: 'moon' }),
    ]
    expectTypeOf(calls).returns.toExtend<Promise<unknown>[]>()
  })

  test('takes any task and parameters without them', () => {
    const jetty = createClient({ url: 'http://localhost:1', token: undefined })
    const untyped = () => jetty.runAndWait('any/task', { some: 1 })
    expectTypeOf<Extract<Awaited<ReturnType<typeof untyped>>, { status: 'completed' }>['outputs']>().toEqualTypeOf<
      Record<string, unknown>
    >()
  })

  test('tells errors apart by their codes', () => {
    const codeOf = (error: unknown) => (isJettyError(error, 'busy', 'not_found') ? error.code : undefined)
    expectTypeOf(codeOf).returns.toEqualTypeOf<'busy' | 'not_found' | undefined>()
    // @ts-expect-error there is no such code
    isJettyError(undefined, 'no_such_code')
  })
})

describe('an activity', () => {
  const facts = { name: 'a', category: 'text', description: 'For types alone.', example: {} } as const
  const parameters = z.object({ text: z.string(), times: z.number().default(1), mode: z.enum(['a', 'b']).optional() })
  const outputs = z.object({ text: z.string(), count: z.number() })

  test('gets its parameters parsed', () => {
    activity({
      ...facts,
      parameters,
      outputs,
      async run(given, context) {
        expectTypeOf(given.text).toEqualTypeOf<string>()
        expectTypeOf(given.times).toEqualTypeOf<number>()
        expectTypeOf(given.mode).toEqualTypeOf<'a' | 'b' | undefined>()
        expectTypeOf(given).not.toHaveProperty('other')
        expectTypeOf(context.files.save).returns.resolves.toEqualTypeOf<MediaObject>()
        return { text: given.text, count: given.times }
      },
    })
  })

  test('puts out what it declares: at once, after a wait, or with a failure', () => {
    const all = { text: 'a', count: 1 }
    activity({ ...facts, parameters, outputs, run: async () => all })
    activity({ ...facts, parameters, outputs, run: async () => new WaitUntil(new Date(), all) })
    activity({ ...facts, parameters, outputs, run: async () => new FailedWith(new AppError('internal', 'no'), all) })
  })

  test('puts out nothing else', () => {
    // @ts-expect-error an output is missing
    activity({ ...facts, parameters, outputs, run: async () => ({ text: 'a' }) })
    // @ts-expect-error an output is of another type
    activity({ ...facts, parameters, outputs, run: async () => ({ text: 1, count: 1 }) })
    // @ts-expect-error an output is not declared
    activity({ ...facts, parameters, outputs, run: async () => ({ text: 'a', count: 1, other: 1 }) })
    // @ts-expect-error an output is missing after the wait
    activity({ ...facts, parameters, outputs, run: async () => new WaitUntil(new Date(), { text: 'a' }) })
  })
})

test('the setting names exactly the kinds of sandboxes that there are', () => {
  expectTypeOf<Settings['sandbox']>().toEqualTypeOf<SandboxName>()
})

describe('an activity of a module', () => {
  const parameters = z.object({ text: z.string(), times: z.int().default(1) })
  const outputs = z.object({ words: z.int() })
  const base = { name: 'own', description: 'Counts.', parameters, outputs }

  test('gets its parameters as declared, and what every place offers', () => {
    declareOwn({
      ...base,
      async run(given, context) {
        expectTypeOf(given).toEqualTypeOf<{ text: string; times: number }>()
        expectTypeOf(context).toEqualTypeOf<WorkContext>()
        return { words: 1 }
      },
    })
  })

  test('may ask for the context of the server, which is then part of its type', () => {
    const inServer = declareOwn({
      ...base,
      async run(_, { models }: ServerContext) {
        expectTypeOf(models).toEqualTypeOf<ServerContext['models']>()
        return { words: 1 }
      },
    })
    expectTypeOf(inServer).toEqualTypeOf<OwnActivity<ServerContext>>()
    expectTypeOf<OwnActivity<ServerContext>>().not.toExtend<OwnActivity>()
    expectTypeOf<OwnActivity>().toExtend<OwnActivity<ServerContext>>()
  })

  test('returns every output of the declared type, and no other', () => {
    declareOwn({
      ...base,
      // @ts-expect-error the output is of another type
      run: async () => ({ words: 'many' }),
    })
    declareOwn({
      ...base,
      // @ts-expect-error there is no such output
      run: async () => ({ words: 1, more: 2 }),
    })
  })
})
