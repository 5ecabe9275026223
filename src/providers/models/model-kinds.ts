const otherKinds = /whisper|tts|transcribe|moderation|realtime|audio|rerank|-live-|^sora|^babbage|^davinci/

/** Whether a model can be asked by any of the calls that can be made here, as far as its name tells. */
export const answersCalls = (name: string): boolean => !otherKinds.test(name)
