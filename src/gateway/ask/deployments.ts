import { AppError } from '../../lib/errors.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import type { CollectionSettings } from '../../model/collections/collection-settings.ts'
import type { UpstreamAnswer } from '../../providers/upstream/answer.ts'

/** A key, an address or another provider by which a model can be reached. */
export type Deployment = NonNullable<CollectionSettings['deployments']>[number]

/** A model to ask, by one of its deployments where it has some. */
export interface Candidate {
  model: string
  deployment?: Deployment
}

/** The name under which a deployment is recorded. */
export const deploymentName = ({ name, target, model }: Deployment): string => name ?? target ?? model

interface Health {
  /** No call is sent there before this time while another deployment can answer. */
  coolUntilMs: number
  /** Moving average of the time to the first byte; undefined: not known yet. */
  latencyMs: number | undefined
}

const mostKnown = 10_000
/** Weight of the newest call in the moving average. */
const newest = 0.3
/** One call in so many goes to any deployment, so that it is known when a slow one has become fast. */
const explores = 20
/** A longer `Retry-After` is not believed: a key that works again would stay unused. */
const longestCoolDownSeconds = 3600

/** Whether a provider refused the key of a deployment. */
export const refusesKey = (error: unknown): boolean =>
  error instanceof AppError && (error.extra?.upstream_status === 401 || error.extra?.upstream_status === 403)

/** Failures of the deployment. Others say nothing of it: the model is not there, or the request is at fault. */
const coolsDown = (error: AppError): boolean => {
  if (refusesKey(error)) return true
  if (error.code === 'network_failed' || error.code === 'timed_out') return true
  const status = Number(error.extra?.upstream_status)
  return error.code === 'upstream_failed' && (status === 402 || status === 408 || status === 429 || status >= 500)
}

interface DeploymentOptions {
  /** After a failure that passes, if the provider does not say when to come again. */
  coolDownSeconds: number
  random?: () => number
  now?: () => number
}

/** Chooses among the deployments of models, and remembers in this process how they do. */
export const makeDeployments = ({
  coolDownSeconds,
  random = Math.random,
  now = () => performance.now(),
}: DeploymentOptions) => {
  const known = makeLru<string, Health>(mostKnown)
  const keyOf = (collectionId: number, deployment: Deployment): string => JSON.stringify([collectionId, deployment])

  /** By chance: the first is drawn by the weights, the second from the others, and so on (Efraimidis and Spirakis, 2006). */
  const drawn = (deployments: readonly Deployment[]): Deployment[] =>
    deployments
      .map((deployment) => ({ deployment, key: random() ** (1 / (deployment.weight ?? 1)) }))
      .sort((left, right) => right.key - left.key)
      .map(({ deployment }) => deployment)

  return {
    /** The deployments of a model in the order in which to ask them; the model itself if it has none. */
    candidatesOf(
      collectionId: number,
      model: string,
      { deployments, deployment_choice: choice }: Partial<CollectionSettings>,
    ): [Candidate, ...Candidate[]] {
      const own = (deployments ?? []).filter((one) => one.model === model && one.weight !== 0)
      if (own.length === 0) return [{ model }]
      const healthOf = (one: Deployment) => known.get(keyOf(collectionId, one))
      const order = drawn(own)
      if (choice === 'latency' && random() * explores >= 1) {
        order.sort((left, right) => (healthOf(left)?.latencyMs ?? 0) - (healthOf(right)?.latencyMs ?? 0))
      }
      const wait = (one: Deployment) => Math.max(0, (healthOf(one)?.coolUntilMs ?? 0) - now())
      const [first, ...rest] = order.sort((left, right) => wait(left) - wait(right))
      return [{ model, ...(first && { deployment: first }) }, ...rest.map((deployment) => ({ model, deployment }))]
    },

    /** Asks a deployment, and remembers how it did. */
    async ask(
      collectionId: number,
      deployment: Deployment,
      ask: () => Promise<UpstreamAnswer>,
    ): Promise<UpstreamAnswer> {
      const key = keyOf(collectionId, deployment)
      const begunMs = now()
      const before = known.get(key)
      const noteFailure = (error: unknown) => {
        if (!(error instanceof AppError) || !coolsDown(error)) return
        const seconds = Math.min(error.retryAfterSeconds ?? coolDownSeconds, longestCoolDownSeconds)
        known.set(key, { coolUntilMs: now() + seconds * 1000, latencyMs: before?.latencyMs })
      }
      try {
        const answer = await ask()
        if (answer.kind === 'refused') noteFailure(answer.error)
        else {
          const tookMs = now() - begunMs
          const latencyMs = before?.latencyMs === undefined ? tookMs : before.latencyMs * (1 - newest) + tookMs * newest
          known.set(key, { coolUntilMs: 0, latencyMs })
        }
        return answer
      } catch (error) {
        noteFailure(error)
        throw error
      }
    },
  }
}
