import type { CallModel } from './chat.ts'
import type { EmbedTexts } from './embedding.ts'
import type { MakeImages } from './image.ts'
import type { Predict, UploadInput } from './prediction.ts'

/** Every kind of call to a model that a step can make. Each looks keys and base URLs up in the variables of its caller. */
export interface ModelCalls {
  chat: CallModel
  embed: EmbedTexts
  image: MakeImages
  predict: Predict
  uploadInput: UploadInput
}
