import { assert, describe, it } from "@effect/vitest"
import {
  aiModels,
  aiProviders,
  knownModels,
  providerOfModel,
} from "../../../src/domain/ai/AiModels.ts"

describe("The catalogue of models", () => {
  it.each(aiProviders)("recognises each model of %s by its name", (provider) => {
    const { defaults, others } = aiModels[provider]
    for (const model of [...Object.values(defaults), ...others]) {
      assert.strictEqual(providerOfModel(model), provider, model)
    }
  })

  it("lists each model once", () => {
    assert.deepStrictEqual(knownModels(), [...new Set(knownModels())])
  })

  it("knows no provider of other names", () => {
    for (const model of ["llama-3", "echo-2", "my-gpt-4o", ""]) {
      assert.isNull(providerOfModel(model), model)
    }
  })
})
