import type { EditMember, Member } from '../../../lib/json/json-members.ts'

/**
 * Makes the edit that replaces the model of a request body; undefined keeps its name. Of several `model` members the last
 * one was read: the others are cut, so that the provider cannot read another one.
 */
export const renameModel = (members: readonly Member[], model: string | undefined): EditMember => {
  const last = members.findLast(({ name }) => name === 'model')
  return (member) => {
    if (member.name !== 'model') return undefined
    if (member !== last) return 'cut'
    return model === undefined ? undefined : Buffer.from(JSON.stringify(model))
  }
}
