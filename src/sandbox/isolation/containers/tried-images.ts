import { AppError, messageOf } from '../../../lib/errors.ts'
import type { Logger } from '../../../lib/log.ts'
import { makeLru } from '../../../lib/memory/lru.ts'
import { probeTools } from '../probe-tools.ts'
import type { Sandbox, SandboxProbe, SandboxSpec } from '../sandbox.ts'
import { type ContainerEngine, couldNotStart } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import type { ContainerEngineName } from './socket.ts'

/** Images whose tools are remembered. */
const mostImages = 100

/** Hint for an image that cannot be used: either the image or its engine lacks something. */
const hintFor = (message: string, name: string): string =>
  message.startsWith(couldNotStart) && !/no such file|not found|exec format/i.test(message)
    ? `This is the message of ${name}: find the cause in its log.`
    : `It needs /bin/sh and the libraries of ${process.execPath}: take one of Debian, Ubuntu or another with glibc, and ` +
      'Node as nodejs.org has it.'

/** Finds an image, or pulls it. Throws if the engine does not have it afterwards. */
export const findOrPull = async (
  engine: ContainerEngine,
  wanted: string,
  { onProgress, signal }: SandboxSpec,
  log: Logger,
): Promise<EngineImage> => {
  const found = await engine.findImage(wanted)
  if (found) return found
  log.info({ image: wanted }, 'fetching an image')
  await engine.pull(wanted, (line) => onProgress?.(`${wanted}: ${line}`), signal)
  const fetched = await engine.findImage(wanted)
  if (fetched) return fetched
  throw new AppError('sandbox_unavailable', `The image ${wanted} was pulled but is missing`)
}

/** Tries an image once, and remembers which tools it has. */
export type TryImage = (image: EngineImage, wanted: string, signal?: AbortSignal) => Promise<SandboxProbe['tools']>

/**
 * Makes the check that the server's Node runs in an image, which the bridge to the gateway needs. An image that fails is
 * tried again the next time.
 */
export const makeTryImage = (
  name: ContainerEngineName,
  furnish: (spec: SandboxSpec, image: EngineImage) => Promise<Sandbox>,
): TryImage => {
  /** Results by image id. */
  const tried = makeLru<string, Promise<SandboxProbe['tools']>>(mostImages)
  return (image, wanted, signal) => {
    const known = tried.get(image.id)
    if (known) return known
    const trying = probeTools((spec) => furnish(spec, image), { image: wanted, signal }).catch((error: unknown) => {
      tried.delete(image.id)
      throw new AppError('sandbox_unavailable', `The image ${wanted} cannot be used: ${messageOf(error)}`, {
        hint: (error instanceof AppError && error.hint) || hintFor(messageOf(error), name),
        cause: error,
      })
    })
    tried.set(image.id, trying)
    return trying
  }
}
