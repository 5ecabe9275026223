import { clone3Errno, families, newNamespaces, refusedCalls, terminalInputs } from '../seccomp.ts'

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
export const containerSeccomp = (): string =>
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
