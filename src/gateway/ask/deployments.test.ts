import { expect, test } from 'vitest'
import { AppError } from '../../lib/errors.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'
import { type Deployment, deploymentName, makeDeployments } from './deployments.ts'

const eu: Deployment = { model: 'm', name: 'eu', weight: 3 }
const us: Deployment = { model: 'm', name: 'us' }
const off: Deployment = { model: 'm', name: 'off', weight: 0 }
const settings = { deployments: [eu, us, off, { model: 'other' }] }

/** Numbers that look random and are the same each time. */
const chance = (seed: number) => () => {
  seed = (seed * 16807) % 2147483647
  return seed / 2147483647
}

const open = () => {
  let nowMs = 0
  const deployments = makeDeployments({ coolDownSeconds: 30, random: chance(7), now: () => nowMs })
  const namesOf = (more: object = {}) =>
    deployments.candidatesOf(1, 'm', { ...settings, ...more }).map(({ deployment }) => deployment?.name)
  const whole: UpstreamAnswer = { kind: 'whole', status: 200, headers: {}, firstByteMs: 0, bytes: Buffer.from('{}') }
  const answers = (deployment: Deployment, ms: number) =>
    deployments.ask(1, deployment, async () => {
      nowMs += ms
      return whole
    })
  const fails = (deployment: Deployment, error: AppError) =>
    deployments
      .ask(1, deployment, async () => {
        throw error
      })
      .catch(() => {})
  return { deployments, namesOf, answers, fails, pass: (ms: number) => (nowMs += ms) }
}

const refused = (status: number, retryAfterSeconds?: number) =>
  new AppError('upstream_failed', 'no', {
    extra: { upstream_status: status },
    ...(retryAfterSeconds && { retryAfterSeconds }),
  })

test('a model without deployments is asked by itself', () => {
  expect(open().deployments.candidatesOf(1, 'unknown', settings)).toEqual([{ model: 'unknown' }])
  expect(open().deployments.candidatesOf(1, 'm', {})).toEqual([{ model: 'm' }])
  expect(deploymentName({ model: 'm', target: 't' })).toBe('t')
})

test('calls are shared by weight, and weight 0 gets none', () => {
  const { namesOf } = open()
  const firsts = Array.from({ length: 4000 }, () => namesOf()[0])
  expect(firsts.filter((name) => name === 'eu').length / 4000).toBeCloseTo(0.75, 1)
  expect(namesOf()).toHaveLength(2)
  expect(firsts).not.toContain('off')
})

test.each([401, 403, 429, 500, 503])('after %i a deployment comes last until it has cooled down', async (status) => {
  const { namesOf, fails, pass, deployments } = open()
  await fails(eu, refused(status))
  pass(29_000)
  expect(new Set(Array.from({ length: 100 }, () => namesOf()[0]))).toEqual(new Set(['us']))
  expect(deployments.candidatesOf(2, 'm', settings)).toHaveLength(2)
  pass(1_000)
  expect(new Set(Array.from({ length: 100 }, () => namesOf()[0]))).toEqual(new Set(['us', 'eu']))
})

test('the provider says how long, and other failures cool nothing down', async () => {
  const { namesOf, fails, pass } = open()
  await fails(eu, refused(429, 120))
  pass(119_000)
  expect(namesOf()).toEqual(['us', 'eu'])
  pass(1_000)
  for (const error of [refused(400), refused(404), new AppError('cancelled', 'left')]) await fails(eu, error)
  expect(new Set(Array.from({ length: 100 }, () => namesOf()[0]))).toEqual(new Set(['us', 'eu']))
})

test('by latency the fastest comes first, and a slow one is tried now and then', async () => {
  const { namesOf, answers } = open()
  const latency = { deployment_choice: 'latency' as const }
  await answers(eu, 900)
  await answers(us, 100)
  const firsts = Array.from({ length: 1000 }, () => namesOf(latency)[0])
  const share = firsts.filter((name) => name === 'us').length / 1000
  expect(share).toBeGreaterThan(0.93)
  expect(share).toBeLessThan(1)
  for (let time = 0; time < 10; time++) await answers(us, 3000)
  expect(Array.from({ length: 100 }, () => namesOf(latency)[0]).filter((name) => name === 'eu').length).toBeGreaterThan(
    90,
  )
})
