import { userInfo } from 'node:os'
import { join } from 'node:path'
import { AppError, messageOf } from '../../../lib/errors.ts'
import { asExhausted } from '../../../lib/exhaustion.ts'
import type { Logger } from '../../../lib/log.ts'
import { makeLru } from '../../../lib/memory/lru.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { elsewhere, machineFolder } from '../bubblewrap/host.ts'
import { isOwnerGone, ownerIn } from '../owner.ts'
import { probeTools } from '../probe-tools.ts'
import { makeRunFolder, ownerFileOf } from '../run-folder.ts'
import type { ImageFound, LimitMechanisms, Sandbox, SandboxProbe, SandboxProvider, SandboxSpec } from '../sandbox.ts'
import { liveSandbox, reapFolders } from '../sandbox-life.ts'
import { clone3Errno, families, newNamespaces, refusedCalls, terminalInputs } from '../seccomp.ts'
import { takeUserSlot } from '../user-slot.ts'
import { type ContainerEngine, couldNotStart, type EngineFacts, openEngine } from './engine.ts'
import type { EngineImage } from './engine-images.ts'
import { type ContainerUser, runInContainer, seccompFile } from './run.ts'
import { type ContainerEngineName, findSocket } from './socket.ts'

/** Images whose tools are remembered. */
const mostImages = 100

/** Hint for an image that cannot be used: either the image or its engine lacks something. */
const hintFor = (message: string, name: string): string =>
  message.startsWith(couldNotStart) && !/no such file|not found|exec format/i.test(message)
    ? `This is the message of ${name}: find the cause in its log.`
    : `It needs /bin/sh and the libraries of ${process.execPath}: take one of Debian, Ubuntu or another with glibc, and ` +
      'Node as nodejs.org has it.'

/** Finds an image, or pulls it. Throws if the engine does not have it afterwards. */
const findOrPull = async (
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
type TryImage = (image: EngineImage, wanted: string, signal?: AbortSignal) => Promise<SandboxProbe['tools']>

/**
 * Makes the check that the server's Node runs in an image, which the bridge to the gateway needs. An image that fails is
 * tried again the next time.
 */
const makeTryImage = (
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

interface Condition {
  index: number
  value: number
  valueTwo?: number
  op: 'SCMP_CMP_EQ' | 'SCMP_CMP_GT' | 'SCMP_CMP_MASKED_EQ'
}

const errors = { notPermitted: 1, noSuchFamily: 97 }
const lowWord = 0xffffffff
const lastFamily = Math.max(...families)

const refuse = (names: readonly string[], errnoRet: number, ...args: Condition[]) => ({
  ...{ names, action: 'SCMP_ACT_ERRNO', errnoRet },
  ...(args.length > 0 && { args }),
})
/** Refuses a call under each condition separately: the conditions of one entry must all hold. */
const refuseEach = (name: string, errnoRet: number, conditions: readonly Condition[]) =>
  conditions.map((condition) => refuse([name], errnoRet, condition))

const flags = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((flag) => (newNamespaces & flag) !== 0)
const otherFamilies = Array.from({ length: lastFamily }, (_, family) => family).filter((one) => !families.includes(one))

/**
 * Writes the filter of `../seccomp.ts` in Podman's format. Podman's default allows creating user namespaces and reading
 * kernel keys, which no namespace separates.
 */
const containerSeccomp = (): string =>
  JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      refuse(refusedCalls, errors.notPermitted),
      refuse(['clone3'], clone3Errno),
      ...refuseEach(
        'clone',
        errors.notPermitted,
        flags.map((flag) => ({ index: 0, value: flag, valueTwo: flag, op: 'SCMP_CMP_MASKED_EQ' })),
      ),
      ...refuseEach('socket', errors.noSuchFamily, [
        ...otherFamilies.map((family): Condition => ({ index: 0, value: family, op: 'SCMP_CMP_EQ' })),
        { index: 0, value: lastFamily, op: 'SCMP_CMP_GT' },
      ]),
      ...refuseEach(
        'ioctl',
        errors.notPermitted,
        terminalInputs.map((input) => ({ index: 1, value: lowWord, valueTwo: input, op: 'SCMP_CMP_MASKED_EQ' })),
      ),
    ],
  })

/** Chooses the user inside: files that it writes on the host must belong to a distinct user. */
const userFor = async (facts: EngineFacts, firstUid: number): Promise<ContainerUser & { release(): void }> => {
  const { uid, gid } = userInfo()
  const release = () => {}
  if (uid === 0) {
    if (facts.isRootless) {
      throw new AppError('sandbox_unavailable', `${facts.version} runs as an ordinary user, and this server as root`, {
        hint: 'Run the server as that user, or set JETTY_SANDBOX_SOCKET to the socket of an engine of root.',
      })
    }
    const slot = await takeUserSlot(`${machineFolder}/uids`, firstUid)
    const usernsMode = facts.isRemapped ? { usernsMode: 'host' } : {}
    return { uid: slot.uid, gid: slot.uid, ...usernsMode, release: () => slot.release() }
  }
  if (facts.isRootless)
    return facts.isPodman ? { uid, gid, usernsMode: 'keep-id', release } : { uid: 0, gid: 0, release }
  return { uid, gid, ...(facts.isRemapped && { usernsMode: 'host' }), release }
}

/** The /etc/passwd and /etc/group that name the user inside. */
const etcOf = ({ uid, gid }: ContainerUser): Record<string, string> => ({
  passwd: `${uid === 0 ? '' : 'root:x:0:0:root:/root:/usr/sbin/nologin\n'}agent:x:${uid}:${gid}:agent:${inside.home}:/bin/sh\n`,
  group: `${gid === 0 ? '' : 'root:x:0:\n'}agent:x:${gid}:\n`,
})

interface ContainerProviderOptions {
  name: ContainerEngineName
  /** Socket of the engine from the settings; undefined to search the usual places. */
  socket: string | undefined
  /** Folder in which run folders are created. */
  parent: string
  /** First user id for sandboxes when the server runs as root. */
  firstUid: number
  /** Image for a sandbox that names none. */
  defaultImage: string
  log: Logger
}

/** Labels of our containers: the sandbox's id, and the parent of its run folder, which identifies the owner. */
const labels = { sandbox: 'jetty.sandbox', parent: 'jetty.parent' } as const

const isRoot = (): boolean => process.getuid?.() === 0

const nothing: LimitMechanisms = { memory: undefined, pids: undefined, cpu: undefined, disk: undefined }

const mechanismsOf = ({ limits, cgroups }: EngineFacts): LimitMechanisms => ({
  memory: limits.memory ? cgroups : undefined,
  pids: limits.pids ? cgroups : undefined,
  cpu: limits.cpu ? cgroups : undefined,
  disk: 'watched',
})

/** A container is orphaned when its run folder is gone, or the process that created it. */
const isOrphaned = async (parent: string, id: string): Promise<boolean> => {
  const file = ownerFileOf(join(parent, id))
  const owner = ownerIn(file)
  return owner === undefined || (await isOwnerGone(file, owner))
}

interface OpenedEngine {
  engine: ContainerEngine
  facts: EngineFacts
}

const open = async ({ name, socket }: ContainerProviderOptions): Promise<OpenedEngine> => {
  if (process.platform !== 'linux') {
    const message = `${name} runs in a virtual machine here, which shares files but no sockets`
    throw new AppError('sandbox_unavailable', message, { hint: elsewhere })
  }
  const engine = await openEngine(findSocket({ name, socket, env: process.env, isRoot: isRoot() }))
  return { engine, facts: await engine.describe() }
}

/** Opens the engine at the first use. After a failure it tries again: the engine may have been started meanwhile. */
const makeOpened = (options: ContainerProviderOptions): (() => Promise<OpenedEngine>) => {
  let opening: Promise<OpenedEngine> | undefined
  return () => {
    opening ??= open(options)
    opening.catch(() => {
      opening = undefined
    })
    return opening
  }
}

/** Describes an engine that works, for the start-up text and `jetty doctor`. */
const describedEngine = async (
  { engine, facts }: OpenedEngine,
  defaultImage: string,
  tryImage: TryImage,
  signal: AbortSignal | undefined,
): Promise<SandboxProbe> => {
  const image = await engine.findImage(defaultImage)
  const tools = image ? await tryImage(image, defaultImage, signal) : {}
  const mechanisms = mechanismsOf(facts)
  const limits = Object.entries(mechanisms).map(([limit, by]) => `${limit} ${by ?? 'not limited'}`)
  const imageFound = image ? `image ${defaultImage}` : `the image ${defaultImage} is not here yet`
  return { works: true, found: `${facts.version}; ${limits.join(', ')}; ${imageFound}`, mechanisms, tools }
}

/** Removes the containers below `parent` whose owner has ended. */
const removeOrphans = async ({ engine }: OpenedEngine, parent: string): Promise<void> => {
  const found = await engine.labelled(`${labels.parent}=${parent}`)
  // In parallel: finding out that an owner in another container is gone takes seconds.
  const looking = found.map(async ({ id, labels: marks }) => {
    if (await isOrphaned(parent, marks[labels.sandbox] ?? '')) await engine.remove(id)
  })
  await Promise.all(looking)
}

/** Runs each command in a Docker or Podman container of its own, over folders of this host. */
export const containerProvider = (options: ContainerProviderOptions): SandboxProvider => {
  const { name, parent, firstUid, defaultImage, log } = options
  const opened = makeOpened(options)

  const furnish = (spec: SandboxSpec, image: EngineImage): Promise<Sandbox> =>
    furnished(spec, image).catch((error) => {
      throw asExhausted(error, 'Sandboxes are not available')
    })

  const furnished = async ({ id, limits, agentFolder }: SandboxSpec, image: EngineImage): Promise<Sandbox> => {
    const { engine, facts } = await opened()
    const { release, ...user } = await userFor(facts, firstUid)
    try {
      const etc = { ...etcOf(user), [seccompFile]: containerSeccomp() }
      const folder = await makeRunFolder({ parent, id, uid: isRoot() ? user.uid : undefined, etc })
      const marks = { [labels.sandbox]: id, [labels.parent]: parent }
      return liveSandbox({
        ...{ id, folder, places: inside, limits, groups: undefined, log, release },
        carryOut: (turn) =>
          runInContainer({ ...turn, id, engine, facts, image, user, folder, agentFolder, limits, labels: marks, log }),
      })
    } catch (error) {
      release()
      throw error
    }
  }

  const tryImage = makeTryImage(name, furnish)

  const create = async (spec: SandboxSpec): Promise<Sandbox> => {
    const { engine } = await opened()
    const wanted = spec.image ?? defaultImage
    const image = await findOrPull(engine, wanted, spec, log)
    await tryImage(image, wanted)
    return furnish(spec, image)
  }

  const probe: SandboxProvider['probe'] = async (signal) => {
    try {
      return await describedEngine(await opened(), defaultImage, tryImage, signal)
    } catch (error) {
      const remedy = error instanceof AppError ? error.hint : undefined
      return { works: false, found: messageOf(error), ...(remedy && { remedy }), mechanisms: nothing, tools: {} }
    }
  }

  const findImage = async (image: string): Promise<ImageFound> => {
    try {
      const { engine, facts } = await opened()
      if (await engine.findImage(image)) return { state: 'here' }
      const why = await engine.whyNotFetched(image, facts)
      return why === undefined ? { state: 'elsewhere' } : { state: 'missing', why }
    } catch {
      return { state: 'unknown' } // the probe reports what is wrong with the engine
    }
  }

  return {
    name,
    create,
    probe,
    findImage,
    async reap() {
      await removeOrphans(await opened(), parent)
      return reapFolders(parent, undefined, log)
    },
  }
}
