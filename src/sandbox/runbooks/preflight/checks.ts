import type { PreflightCheck } from '../../../model/runbooks/runbook-request.ts'
import type { SandboxProbe, SandboxProvider } from '../../isolation/sandbox.ts'

/** Caches a successful sandbox probe; a failed one is repeated, so that the fault can be fixed meanwhile. */
export const makeProbe = ({ probe }: Pick<SandboxProvider, 'probe'>): (() => Promise<SandboxProbe>) => {
  let trying: Promise<SandboxProbe> | undefined
  return () => {
    trying ??= probe()
    const tried = trying
    const forget = () => {
      if (trying === tried) trying = undefined
    }
    tried.then(({ works }) => works || forget(), forget)
    return tried
  }
}

// Remedy sentences that the command line words differently.

/** Appended to the fix of a missing agent whose runbook `scripted` could execute. */
export const scriptedOffer = 'Or let agent scripted run its sh and bash blocks, which needs no key.'

/** Added to the fix of a parameter that an input file can replace. */
export const fileOffer = 'A file that is sent along stands for it as well.'

/** Makes a passed preflight check. */
export const ok = (name: string, found: string): PreflightCheck => ({
  name,
  state: 'ok',
  found,
  fix: null,
  field: null,
})

export const warned = (name: string, found: string, fix: string, field: string | null = null): PreflightCheck => ({
  name,
  state: 'warning',
  found,
  fix,
  field,
})

export const failed = (name: string, found: string, fix: string, field: string | null = null): PreflightCheck => ({
  name,
  state: 'failed',
  found,
  fix,
  field,
})

/** Lists names in a sentence: the first few, and the number of further ones. */
export const listed = (names: readonly string[], most = 20): string =>
  names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`
