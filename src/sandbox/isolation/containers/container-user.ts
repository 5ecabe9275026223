import { userInfo } from 'node:os'
import { AppError } from '../../../lib/errors.ts'
import { inside } from '../../../model/runbooks/sandbox.ts'
import { machineFolder } from '../bubblewrap/host.ts'
import { takeUserSlot } from '../user-slot.ts'
import type { EngineFacts } from './engine.ts'
import type { ContainerUser } from './run.ts'

/** Chooses the user inside: files that it writes on the host must belong to a distinct user. */
export const userFor = async (facts: EngineFacts, firstUid: number): Promise<ContainerUser & { release(): void }> => {
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
export const etcOf = ({ uid, gid }: ContainerUser): Record<string, string> => ({
  passwd: `${uid === 0 ? '' : 'root:x:0:0:root:/root:/usr/sbin/nologin\n'}agent:x:${uid}:${gid}:agent:${inside.home}:/bin/sh\n`,
  group: `${gid === 0 ? '' : 'root:x:0:\n'}agent:x:${gid}:\n`,
})
