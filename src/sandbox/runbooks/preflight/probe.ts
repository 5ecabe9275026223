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
