import { AppError } from '../../../../src/lib/errors.ts'
import type { LargeValue } from '../../../../src/model/runs/step.ts'
import { api } from '../../../data/api.ts'
import { conversationOf } from '../../../parts/conversation/conversation.ts'
import { fileAddress } from '../../../parts/media/media-kind.ts'
import { chatStep } from '../answers/recorded-call.ts'
import type { PlaygroundDraft } from './draft.ts'
import { draftFrom } from './from-conversation.ts'
import { type Picture, pictureFault } from './pictures.ts'
import { dataAddress } from './read-pictures.ts'

/** The names in `collection/task/run/step`. */
interface StepAddress {
  collection: string
  task: string
  trajectory_id: string
  step: string
}

/** Reads the address of a step; undefined where it is none. */
export const stepAddress = (text: string | undefined): StepAddress | undefined => {
  const [collection, task, id, ...step] = (text ?? '').split('/')
  return collection && task && id && step.length > 0
    ? { collection, task, trajectory_id: id, step: step.join('/') }
    : undefined
}

const isLarge = (value: unknown): value is LargeValue =>
  typeof value === 'object' && value !== null && '$large' in value

/** The parameters of a step, with the large ones that it comes without. */
const wholeInputs = async (params: StepAddress, inputs: Record<string, unknown>, signal: AbortSignal) => {
  if (isLarge(inputs)) {
    return (await api.getStepValue({ params, query: { of: 'inputs' }, signal })) as Record<string, unknown>
  }
  const members = await Promise.all(
    Object.entries(inputs).map(async ([name, value]) => [
      name,
      isLarge(value) ? await api.getStepValue({ params, query: { of: 'inputs', member: name }, signal }) : value,
    ]),
  )
  return Object.fromEntries(members) as Record<string, unknown>
}

/** A stored image with its bytes: the model is sent those. One that cannot be read is left out. */
const loadedPicture = async (picture: Picture, collection: string, signal: AbortSignal): Promise<Picture[]> => {
  if (!picture.url.startsWith(`${collection}/`)) return [picture]
  const name = picture.url.slice(picture.url.lastIndexOf('/') + 1)
  const response = await fetch(fileAddress(picture.url, true), { signal })
  if (!response.ok) return []
  const blob = await response.blob()
  return pictureFault(blob) === undefined ? [{ name, url: await dataAddress(blob) }] : []
}

/** The same in what was said before. */
const withImages = async (
  draft: PlaygroundDraft,
  collection: string,
  signal: AbortSignal,
): Promise<PlaygroundDraft> => {
  const load = (picture: Picture) => loadedPicture(picture, collection, signal)
  const earlier = await Promise.all(
    draft.earlier.map(async (message) => ({
      ...message,
      parts: (
        await Promise.all(
          message.parts.map(async (part) =>
            part.kind === 'image'
              ? (await load({ name: '', url: part.source })).map(({ url }) => ({ kind: 'image' as const, source: url }))
              : [part],
          ),
        )
      ).flat(),
    })),
  )
  return { ...draft, earlier, pictures: (await Promise.all(draft.pictures.map(load))).flat() }
}

/** The name of the model as a client writes it. */
const modelIn = ({ model, model_provider: provider }: Record<string, unknown>): string | undefined => {
  if (typeof model !== 'string' || model === '') return undefined
  return typeof provider === 'string' && !model.startsWith(`${provider}/`) ? `${provider}/${model}` : model
}

/** Loads what a step asked a model, as a draft, with the model that it asked. */
export const loadStep = async (
  params: StepAddress,
  signal: AbortSignal,
): Promise<{ draft: PlaygroundDraft; model: string | undefined }> => {
  const step = await api.getStep({ params, signal })
  const isRecorded = step.key === chatStep && params.task.startsWith('_')
  const [inputs, initParams] = await Promise.all([
    wholeInputs(params, step.inputs, signal),
    isRecorded ? (api.getInitParams({ params, signal }) as Promise<Record<string, unknown>>) : {},
  ])
  const outputs = isRecorded ? { response: {} } : {}
  const conversation = conversationOf({ ...step, inputs, outputs }, initParams)
  if (!conversation) {
    throw new AppError('bad_request', `Step '${params.step}' asked no model`, {
      hint: 'Open a step of litellm_chat, litellm_vision or gemini_prompt, or a call that the gateway recorded.',
    })
  }
  const draft = await withImages(draftFrom(conversation), params.collection, signal)
  return { draft, model: modelIn(isRecorded ? initParams : inputs) }
}
